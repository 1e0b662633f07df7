"""placeholder"""
def show(folder, examples=()): 
    from hardlight.evaluation.run_folder import read_records
    r=read_records(folder); print(r[["attack","eps","metric","value","n","seconds"]][r.metric.isin(["accuracy","robust_accuracy"])].to_string())
def next_command(s): print(s)
