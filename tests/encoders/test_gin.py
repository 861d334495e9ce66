from __future__ import annotations

import torch
from torch import nn

from nas_assistant.encoders._gin import GINConv, to_dense


def test_a_node_takes_the_sum_of_those_that_point_to_it() -> None:
    convolution = GINConv(nn.Identity())
    convolution.eps.data.fill_(0.5)
    nodes = torch.tensor([[1.0], [10.0], [100.0]])
    edges = torch.tensor([[0, 1, 1], [2, 2, 0]])
    assert convolution(nodes, edges).squeeze(1).tolist() == [1.5 + 10, 15.0, 150.0 + 1 + 10]
    assert sorted(name for name, _ in convolution.named_parameters()) == ["eps"]


def test_graphs_of_a_batch_have_rows_of_their_own() -> None:
    nodes = torch.arange(10.0).view(5, 2)
    dense, present = to_dense(nodes, torch.tensor([0, 0, 1, 1, 1]))
    assert dense.shape == (2, 3, 2) and present.tolist() == [[True, True, False], [True, True, True]]
    assert torch.equal(dense[present], nodes) and (dense[0, 2] == 0).all()
