"""A network in the engine and the precision that fit its device; for whatever has a network to run."""

from collections.abc import Callable
from typing import Literal

import torch

from errors import InputError, quoted
from extraction.engines import Engine, Network, Precision
from extraction.engines.openvino_engine import Model, OpenVINOEngine, converted
from extraction.engines.precision import Choice
from extraction.engines.torch_engine import TorchEngine
from extraction.types import Decision, Floats, Image

Prove = Callable[[Precision, Engine, Engine, Image], Choice]
"""From a fast precision, an engine that runs in it, one that runs in fp32, and pixels, to one of both precisions."""


class Runner:
    """Runs a network; the engine is made when it is first needed, and takes the place of the torch module.

    Args:
        owner: class of what has the network, for messages.
        network: what to run.
        precision: "auto" proves the fastest one that the processor has, see `prepare`.
        engine: "auto" is OpenVINO on a processor and PyTorch on a GPU.
        batch: how many crops or windows one call takes at the most.
        portion: how many of them OpenVINO takes at once.
    """

    def __init__(
        self,
        owner: str,
        network: Network,
        precision: Literal["auto", "fp32", "bf16", "fp16"],
        engine: Literal["auto", "openvino", "torch"],
        batch: int,
        portion: int,
    ) -> None:
        self.owner = owner
        self.batch = batch
        self._portion = min(portion, batch)
        self._asked_engine = engine
        self._network: Network | None = network
        self._converted: Model | None = None
        self._engine: Engine | None = None
        self._precision: Precision | None = None if precision == "auto" else precision

    @property
    def precision_in_use(self) -> Precision:
        """What the network runs in: as asked for, else as `prepare` decided, else fp32."""
        return self._precision or "fp32"

    def place(self, device: str) -> None:
        """Called once before use: run on "cpu", "cuda:0", ....

        Raises:
            InputError: there is no such device, or the engine or precision asked for does not run on it.
        """
        self._device = self._found(device)
        fitting: Literal["openvino", "torch"] = "torch" if self._device.type == "cuda" else "openvino"
        self._engine_name = fitting if self._asked_engine == "auto" else self._asked_engine
        if self._engine_name == "openvino" and self._device.type != "cpu":
            raise InputError(
                f"{self.owner}: openvino runs on the processor, not on {device}; choose the engine torch, or auto"
            )
        self._precisions = (
            OpenVINOEngine.precisions() if self._engine_name == "openvino" else TorchEngine.precisions(self._device)
        )
        if self._precision is not None:
            self._checked(self._precision)

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        """What the network says; see `Engine`. All calls are of one height and width, and length."""
        if self._engine is None:
            self._settle(self.precision_in_use, pixels.shape[1:])
        assert self._engine is not None
        return self._engine(pixels)

    def prepare(self, name: str, pixels: Image, decided: str | None, prove: Prove) -> Decision | None:
        """Choose the precision, unless one was asked for.

        Args:
            name: what the screen calls the network.
            pixels: what to try the fast precision on, one batch or more.
            decided: what was chosen before; then the same again.
            prove: chooses between a fast precision and fp32.

        Returns:
            What was chosen; None if there was nothing to choose.

        Raises:
            InputError: what was decided before does not run here.
        """
        if self._precision is not None:
            return None
        shape = pixels.shape[1:]
        if decided is not None:
            self._settle(self._checked(decided), shape)
            return Decision(decided, f"{name}: {self._engine_name} in {decided}, as decided before")
        fast = self._precisions[0]
        if fast == "fp32":
            self._settle(fast, shape)
            return Decision(fast, f"{name}: {self._engine_name} in fp32, {self._device} has no faster precision")
        exact, quick = self._make("fp32", shape), self._make(fast, shape)
        choice = prove(fast, quick, exact, pixels)
        self._take(choice.precision, quick if choice.precision == fast else exact)
        return Decision(choice.precision, f"{name}: {self._engine_name} in {choice.why}")

    def _settle(self, precision: Precision, shape: tuple[int, ...]) -> None:
        self._take(precision, self._make(precision, shape))

    def _take(self, precision: Precision, engine: Engine) -> None:
        """Keep this engine, and nothing else that holds the weights."""
        self._precision, self._engine = precision, engine
        self._network = self._converted = None

    def _checked(self, precision: str) -> Precision:
        for fitting in self._precisions:
            if fitting == precision:
                return fitting
        raise InputError(
            f"{self.owner}: {precision} is not fast here with {self._engine_name} on {self._device}; choose "
            f"{' or '.join(self._precisions)}, in a new cache if this one was begun in {precision}"
        )

    def _make(self, precision: Precision, shape: tuple[int, ...]) -> Engine:
        assert self._network is not None
        if self._engine_name == "openvino":
            if self._converted is None:
                self._converted = converted(self._network, self._portion, shape)
            return OpenVINOEngine(self._converted, precision, self.batch)
        return TorchEngine(self._network, self.batch, shape, precision, self._device)

    def _found(self, name: str) -> torch.device:
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.owner}: no device {quoted(name)} ({reason}); choose cpu or cuda") from error
        return device


class Runs:
    """An estimator or extractor whose network a `Runner` runs."""

    _runner: Runner

    @property
    def precision_in_use(self) -> Precision:
        """What the network runs in: as asked for, else as `prepare` decided, else fp32."""
        return self._runner.precision_in_use

    def place(self, device: str) -> None:
        """See `extraction.types.Placed`.

        Raises:
            InputError: there is no such device, or the engine or precision asked for does not run on it.
        """
        self._runner.place(device)
