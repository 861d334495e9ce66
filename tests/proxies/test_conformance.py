"""Every proxy of the package through the suite that a third party runs."""

from __future__ import annotations

import pytest

from nas_assistant.proxies import get_proxy, list_proxies
from nas_assistant.proxies.conformance import ProxyConformance


@pytest.mark.parametrize("name", list_proxies())
class TestProxies(ProxyConformance):
    @pytest.fixture(autouse=True)
    def choose(self, name: str) -> None:
        self.proxy = get_proxy(name)  # type: ignore[misc]
