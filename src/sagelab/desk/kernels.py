"""A kernel that is started before somebody asks for one: the first, while the browser loads JupyterLab."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.utils import ApiPath


class EarlyKernels(AsyncMappingKernelManager):
    """JupyterLab's kernels, of which one may be started early; not listed until it is taken: it is nobody's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._early: asyncio.Task[str] | None = None  # the kernel
        self._folder = ""  # where it was started

    async def start_early(self, folder: str) -> None:
        """Start the default kernel in a folder, a path of Jupyter's API, for the first who wants one there."""
        self._folder = self._place(folder)
        self._early = asyncio.ensure_future(super().start_kernel(path=ApiPath(folder)))
        try:
            await self._early
        except Exception:  # whoever wants a kernel will be told
            self.log.exception("no kernel was started early")
            self._early = None

    async def start_kernel(self, *, kernel_id: str | None = None, path: str | None = None, **options: Any) -> str:  # type: ignore[override]
        """The early one, if it is what is asked for; else another."""
        early, usual = self._early, options.get("kernel_name") in (None, self.default_kernel_name)
        if early and kernel_id is None and path is not None and usual and self._place(path) == self._folder:
            self._early = None
            if (kernel := await early) in self:
                return kernel
        place = None if path is None else ApiPath(path)
        return await super().start_kernel(kernel_id=kernel_id, path=place, **options)

    def list_kernels(self) -> list[dict[str, Any]]:
        """Those that somebody asked for."""
        early = self._early.result() if self._early and self._early.done() else None
        every: list[dict[str, Any]] = super().list_kernels()  # type: ignore[no-untyped-call]
        return [kernel for kernel in every if kernel["id"] != early]

    def _place(self, path: str) -> str:
        return str(self.cwd_for_path(path))  # type: ignore[no-untyped-call]
