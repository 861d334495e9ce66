"""Benchmark families: their networks as PyTorch modules, and their measured accuracies."""

from nas_assistant._data_root import find_data_root
from nas_assistant.families._base import BaseFamily, Network, get_family, list_families, register
from nas_assistant.families.channel import ChannelMobileNetFamily, ChannelResNetFamily
from nas_assistant.families.nb101 import NB101
from nas_assistant.families.nb201 import NB201
from nas_assistant.families.nb301 import NB301

for _family in (NB101(), NB201(), NB301(), ChannelResNetFamily(), ChannelMobileNetFamily()):
    register(_family)

__all__ = ["BaseFamily", "Network", "find_data_root", "get_family", "list_families", "register"]
