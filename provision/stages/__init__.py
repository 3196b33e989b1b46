"""The stages: facts → plan → apply → checks → results → report. Each takes the rigs that still go on.

What a stage needs it imports when it runs: a run that finds nothing to do must not wait for Ansible, pytest
or matplotlib to load.
"""

from __future__ import annotations

from provision.stages.changing import carry_out, verify
from provision.stages.checking import check, report
from provision.stages.consent import agree, become_root, refuse
from provision.stages.looking import read_facts
from provision.stages.planning import (
    leave_what_is_done,
    leave_what_is_planned,
    make_plans,
    show_plans,
)
from provision.stages.restarting import reboot
from provision.stages.rolling_back import (
    agree_to_go_back,
    choose_sets,
    go_back,
    plan_what_is_there,
    verify_sets,
)
from provision.stages.undoing import finish_going_back
from provision.stages.upgrading import (
    accept_before,
    agree_to_upgrade,
    begin_upgrades,
    change,
    conclude,
    decide,
    leave_what_is_newest,
    make_upgrade_plans,
    undo,
)
from provision.stages.watching import tell_own_findings

__all__ = [
    "CHECK",
    "PLAN",
    "ROLLBACK",
    "ROLLBACK_UNCHECKED",
    "UP",
    "UPGRADE",
    "UP_UNCHECKED",
    "agree",
    "become_root",
    "leave_what_is_done",
    "read_facts",
]

PLAN = (read_facts, make_plans, show_plans)
CHECK = (read_facts, tell_own_findings, make_plans, check, report)
UP_UNCHECKED = (
    read_facts,
    make_plans,
    leave_what_is_planned,
    show_plans,
    refuse,
    become_root,
    agree,
    carry_out,
    reboot,
    verify,
)
UP = (
    read_facts,
    tell_own_findings,
    make_plans,
    leave_what_is_done,
    *UP_UNCHECKED[3:],
    check,
    report,
)
UPGRADE = (
    read_facts,
    tell_own_findings,
    begin_upgrades,
    finish_going_back,
    make_upgrade_plans,
    leave_what_is_newest,
    show_plans,
    refuse,
    become_root,
    agree_to_upgrade,
    accept_before,
    change,
    decide,
    undo,
    conclude,
    report,
)
ROLLBACK_UNCHECKED = (
    read_facts,
    tell_own_findings,
    choose_sets,
    become_root,
    agree_to_go_back,
    go_back,
    reboot,
    verify_sets,
)
ROLLBACK = (*ROLLBACK_UNCHECKED, plan_what_is_there, check, report)
