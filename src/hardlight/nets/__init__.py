"""Networks in plain torch: pixels (N, C, H, W) in [0, 1] to logits (N, K)."""

from hardlight.nets.activations import BoundedReLU
from hardlight.nets.cifar_cnn import CifarCNN
from hardlight.nets.cnn import CNN
from hardlight.nets.mlp import MLP
from hardlight.nets.python import python_net
from hardlight.nets.resnet import ResNet
from hardlight.nets.torchvision import torchvision_net

__all__ = ["CNN", "MLP", "BoundedReLU", "CifarCNN", "ResNet", "python_net", "torchvision_net"]
