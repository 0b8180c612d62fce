# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 in front of every call that changes something, in each process."""

import pytest
from play import ROLES, each, scenario_names, steps
from scenarios import SCENARIOS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", scenario_names())
def test_i38_i43_killed_at_every_step(name, role):
    scenario = SCENARIOS[name]
    calls = steps(scenario, role, "change")
    assert calls
    each(scenario, [{"fault": f"kill:{n}:{role}"} for n in range(1, len(calls) + 1)])
