"""What the page says about rows that differ."""

from __future__ import annotations

from dataclasses import replace

from pleura.lab.benchmark import machine
from pleura.lab.study import facts
from pleura.lab.study.facts import budget, shared


def test_only_what_is_common_is_called_shared(done):
    common, own = shared(done.config)
    assert "whole field of view" in common
    assert not any(own in common for own in ("resnet", "loss bce", "loss seed"))
    assert "Res34 BCE: resnet34, loss bce" in own
    assert "Res18 Focal: resnet18, loss seed_focal" in own


def test_a_rows_own_settings_are_said(done):
    odd = replace(
        done.config.rows[1],
        changes={"augment": {"enabled": True}, "optimizer": {"learning_rate": 0.5}, "epochs": 2},
    )
    config = replace(done.config, rows=(done.config.rows[0], odd))
    common, own = shared(config)
    assert "augmentation" not in common
    assert "augmentation on" in own and "adam 0.5" in own
    assert "not the same for all rows" in budget(config)


def test_the_processor_is_named_as_in_a_benchmark():
    assert facts.cpu_name is machine.cpu_name
