"""hardlight's attacks side by side with those of ART, Foolbox, torchattacks and adv-lib."""
