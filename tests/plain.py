"""Questions over HTTP to what a test has started itself: past proxies, and without the authorities of TLS.

To read these takes a client 30 ms of CPU, and whoever waits for a server asks it again and again.
"""

from __future__ import annotations

from functools import partial

import httpx

get = partial(httpx.get, trust_env=False, verify=False)
post = partial(httpx.post, trust_env=False, verify=False)
