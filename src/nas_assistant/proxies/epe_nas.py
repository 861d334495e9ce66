"""EPE-NAS."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy, FaultKind, ProxyError
from nas_assistant.proxies._probe import BaseProbe

_SHIFT = 1e-5
_MANY_CLASSES = 100


class EpeNas(BaseProxy):
    """Correlation of the input Jacobians within each class (Lopes et al. 2021, "EPE-NAS").

    ``sum_c |E_c|`` with ``E_c = sum_ij log(|R_c|_ij + k)`` for the correlation matrix R_c of the Jacobians
    of the samples of class c, k = 1e-5. For more than 100 classes, as published, ``E_c`` is divided by the
    number of samples and the score is the mean over c of ``sum_d |E_c - E_d|``. The minibatch must hold
    classes twice.
    """

    name: ClassVar[str] = "epe_nas"
    title: ClassVar[str] = "EPE-NAS, Jacobians within classes"
    needs_labels: ClassVar[bool] = True

    def compute(self, probe: BaseProbe) -> float:
        """From the correlations in each class of the minibatch."""
        assert probe.labels is not None
        jacobians, labels = probe.input_gradients(), probe.labels
        classes, counts = np.unique(labels, return_counts=True)
        if counts.max() < 2:
            raise ProxyError(FaultKind.UNSUPPORTED, "the minibatch has no two samples of one class")
        many = (probe.graph.output_shape or (0,))[-1] > _MANY_CLASSES
        scores = []
        with np.errstate(invalid="ignore", divide="ignore"):  # told as a fault
            for label in classes:
                correlation = np.atleast_2d(np.corrcoef(jacobians[labels == label]))
                score = np.log(np.abs(correlation) + _SHIFT).sum()
                scores.append(score / len(correlation) if many else score)
        values = np.asarray(scores)
        if many:
            return float(np.abs(values[:, None] - values[None, :]).sum() / len(values))
        return float(np.abs(values).sum())
