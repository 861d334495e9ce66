"""Benchmark families: their networks as PyTorch modules, and their measured accuracies."""

from nas_assistant._data_root import find_data_root
from nas_assistant.families._base import BaseFamily, Network, get_family, list_families, register
from nas_assistant.families.channel import ChannelMobileNetFamily, ChannelResNetFamily
from nas_assistant.families.hiaml import HiAML
from nas_assistant.families.inception import Inception
from nas_assistant.families.lemur import Lemur
from nas_assistant.families.nb101 import NB101
from nas_assistant.families.nb201 import NB201
from nas_assistant.families.nb301 import NB301
from nas_assistant.families.ofa_mobilenetv3 import OFAMobileNetV3
from nas_assistant.families.ofa_proxylessnas import OFAProxylessNAS
from nas_assistant.families.ofa_resnet import OFAResNet
from nas_assistant.families.two_path import TwoPath

for _family in (
    NB101(),
    NB201(),
    NB301(),
    ChannelResNetFamily(),
    ChannelMobileNetFamily(),
    HiAML(),
    Inception(),
    TwoPath(),
    OFAResNet(),
    OFAProxylessNAS(),
    OFAMobileNetV3(),
):
    register(_family)
for _epochs in (5, 1, 50):
    register(Lemur(_epochs))

__all__ = ["BaseFamily", "Network", "find_data_root", "get_family", "list_families", "register"]
