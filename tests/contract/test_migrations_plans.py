"""Plans as people ask for them: made, started, held and ended, on SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import text

from podwork_migrations.plan import schema
from podwork_migrations.plan.errors import InvalidPlan, PlanChanged, PlanConflict, UnknownPlan
from podwork_migrations.plan.plan import Plan, PlanOptions
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.states import PlanState
from podwork_migrations.plan.store import PlanStore
from podwork_pods.errors import DirectoryUnavailable
from podwork_pods.pod import PodState
from tests.support.iteration_stand import at_once
from tests.support.plan_stand import AT_ONCE, NOW, PlanStand, migration, options, version


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[PlanStand]:
    made = PlanStand(str(request.getfixturevalue(f"{request.param}_url")))
    yield made
    made.close()


# Making


def test_a_plan_is_as_it_was_asked_for(stand: PlanStand) -> None:
    files = [migration(2, pods=(1, 3)), migration(1), migration(3, finalizes=[1])]
    options = PlanOptions(canary=3, waves=("1", "50%"), max_migrating_pods=2)
    made = stand.plans.create(files, options=options, evidence={"lint": "é"}, by="anna", purpose="prices")
    assert stand.plans.get(1) == made
    assert (made.number, made.state, made.options, made.legs, made.waves) == (
        1,
        PlanState.DRAFT,
        options,
        2,
        3,
    )
    assert (made.created, made.created_by, made.purpose, made.evidence) == (
        NOW,
        "anna",
        "prices",
        {"lint": "é"},
    )
    planned = stand.plans.versions(made)
    assert [(each.position, each.version, each.checksum, each.leg) for each in planned] == [
        (0, version(1), "c1", 0),
        (1, version(2), "c2", 0),
        (2, version(3), "c3", 1),
    ]
    assert [(each.finalizes, each.pods) for each in planned] == [
        ((), None),
        ((), (1, 3)),
        ((version(1),), None),
    ]
    lines = stand.status().pods
    assert [(line.pod_id, line.wave, line.cells) for line in lines] == [
        (3, 0, "..."),
        (1, 1, "..."),
        (2, 2, ".-."),
        (4, 2, ".-."),
    ]


def test_a_plan_that_is_made_again_is_the_first_one(stand: PlanStand) -> None:
    files = [migration(1), migration(2)]
    first = stand.plans.create(files)
    assert stand.plans.create(files, by="somebody else") == first
    assert stand.plans.create(files, versions=[version(2), version(1)]) == first
    started = stand.plans.start(first.number)
    assert stand.plans.create(files, versions=[version(1), version(2)]) == started
    with pytest.raises(InvalidPlan, match="nothing to plan"):
        stand.plans.create(files)
    assert [plan.number for plan in stand.plans.list()] == [1]


def test_of_those_who_make_a_plan_at_the_same_time_one_does(stand: PlanStand) -> None:
    made = at_once(*(partial(stand.plans.create, [migration(1)], by=f"{n}") for n in range(4)))
    assert made == [made[0]] * 4
    assert [plan.number for plan in stand.plans.list()] == [1]


def test_a_version_is_in_one_plan_that_is_not_over(stand: PlanStand) -> None:
    stand.plans.create([migration(1), migration(2)])
    with pytest.raises(PlanConflict, match="plan 1: it is draft and has some of these versions"):
        stand.plans.create([migration(1), migration(2), migration(3)])
    with pytest.raises(PlanConflict, match="plan 1"):
        stand.plans.create([migration(1), migration(2)], versions=[version(2)])
    stand.plans.start(1)
    assert stand.plans.create([migration(1), migration(2), migration(3)]).number == 2
    assert [each.version for each in stand.plans.versions(stand.plan(2))] == [version(3)]


def test_the_files_of_a_plan_that_was_cancelled_are_planned_again(stand: PlanStand) -> None:
    stand.begin(1, 2)
    stand.do(1, 1)
    stand.plans.cancel(1, "wrong", "anna")
    stand.begin(1, 2)
    assert stand.plan(2).state is PlanState.RUNNING
    assert stand.cells() == {1: "a.", 2: "..", 3: "..", 4: ".."}
    assert stand.may(1, 2)


def test_a_plan_for_some_pods_leaves_its_files_to_the_others(stand: PlanStand) -> None:
    stand.begin(1, pods=[2])
    assert "plan 1 is not for pod 1" in stand.why(1)
    stand.do(2, 1)
    assert stand.plan().state is PlanState.SUCCEEDED
    assert "plan 1 is not for pod 1" in stand.why(1)
    stand.begin(1)
    stand.do(1, 1)
    assert stand.cells() == {1: "a", 2: "a", 3: ".", 4: "."}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"versions": [version(9)]}, f"no file has {version(9)}"),
        ({"versions": []}, "nothing to plan"),
        ({"pods": []}, "there are no pods"),
        ({"pods": [1, 77]}, "pod 77 is not in the registry"),
        ({"pods": [1, 2], "options": PlanOptions(canary=3)}, "pod 3 cannot be the canary"),
        ({"options": PlanOptions(max_migrating_pods=0)}, "0 pods at a time"),
    ],
)
def test_what_nobody_could_carry_out_is_refused(
    stand: PlanStand, given: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidPlan, match=told):
        stand.plans.create([migration(1)], **given)  # type: ignore[arg-type]
    assert stand.plans.list() == []


def test_the_canary_is_the_first_pod_that_may_migrate(stand: PlanStand) -> None:
    stand.states[1] = PodState.FROZEN
    stand.blocking.block(2, "its disk is full", "anna")
    stand.begin(1)
    assert stand.may(3)
    assert not stand.may(4)


def test_the_canary_has_something_to_do(stand: PlanStand) -> None:
    made = stand.plans.create([migration(1, pods=(3, 4)), migration(2, pods=(4,)), migration(3)])
    assert [line.pod_id for line in stand.status(made.number).pods if line.wave == 0] == [4]


# Starting


def test_a_draft_lets_nobody_go(stand: PlanStand) -> None:
    stand.migrations = [migration(1)]
    assert "no plan has 20260101000001_m1" in stand.why(1)
    stand.plans.create(stand.migrations)
    assert "plan 1 is draft" in stand.why(1)
    stand.plans.start(1)
    assert stand.may(1)


def test_a_plan_whose_files_were_changed_does_not_start(stand: PlanStand) -> None:
    stand.plans.create([migration(1), migration(2)], evidence={"lint": "clean"})
    with pytest.raises(
        PlanChanged, match="the file of 20260101000002_m2 is not what the plan was signed over"
    ):
        stand.plans.start(1, [migration(1), migration(2, checksum="edited")])
    with pytest.raises(PlanChanged, match="m2"):
        stand.plans.start(1, [migration(1)])
    for evidence in ({"lint": "a finding"}, {"lint": "clean", "routes": "copy"}, {}):
        with pytest.raises(PlanChanged):
            stand.plans.start(1, [migration(1), migration(2)], evidence)
    assert stand.plan().state is PlanState.DRAFT
    stand.plans.start(1, [migration(1), migration(2), migration(3)], {"lint": "clean"})


def test_a_plan_whose_rows_were_changed_does_not_start(stand: PlanStand) -> None:
    stand.plans.create([migration(1)])
    with stand.store.engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.versions.name} SET checksum = 'forged'"))
    with pytest.raises(PlanChanged, match="what is stored"):
        stand.plans.start(1)


def test_one_plan_at_a_time_is_under_way(stand: PlanStand) -> None:
    stand.begin(1)
    stand.plans.create([migration(1), migration(2)])
    for state in (PlanState.RUNNING, PlanState.HELD):
        with pytest.raises(PlanConflict, match=f"plan 2: plan 1 is {state}"):
            stand.plans.start(2)
        if state is PlanState.RUNNING:
            stand.plans.hold(1, "lunch")
    with pytest.raises(PlanConflict, match="plan 1: it is held"):
        stand.plans.start(1)
    stand.plans.cancel(1, "enough")
    assert stand.plans.current() is None
    assert stand.plans.start(2) == stand.plans.current()


def test_of_plans_that_are_started_at_the_same_time_one_is(stand: PlanStand) -> None:
    for number in (1, 2, 3, 4):
        stand.plans.create([migration(number)], versions=[version(number)])
    answers = at_once(*(partial(stand.plans.start, number) for number in (1, 2, 3, 4)))
    assert sum(isinstance(answer, Plan) for answer in answers) == 1
    assert sum(isinstance(answer, PlanConflict) for answer in answers) == 3


def test_what_pods_have_applied_before_the_start_is_known(stand: PlanStand) -> None:
    stand.migrations = [migration(1), migration(2)]
    stand.plans.create(stand.migrations, options=AT_ONCE)
    for pod_id in (1, 2, 3):
        stand.tell(pod_id, 1, "applied")
    stand.tell(2, 2, "skipped")
    stand.tell(4, 1, "applied", checksum="another")
    stand.plans.start(1)
    assert stand.cells() == {1: "a.", 2: "as", 3: "a.", 4: "e."}


# Holding and ending


def test_a_plan_that_is_held_lets_nobody_begin_but_what_has_begun_goes_on(stand: PlanStand) -> None:
    stand.begin(1, 2)
    stand.do(1, 1)
    assert stand.may(1, 2)
    stand.tell(1, 2, "running")
    assert stand.plans.hold(1, "a sale", "anna").reason == "anna: a sale"
    assert stand.why(2) == "plan 1 is held: anna: a sale"
    stand.tell(1, 2, "applied")
    assert stand.cells()[1] == "aa"
    assert "plan 1 is held" in stand.why(2)
    stand.plans.release(1)
    assert stand.may(2)


def test_a_plan_is_held_while_it_soaks_and_soaks_on(stand: PlanStand) -> None:
    stand.begin(1, options=options(soak_seconds=60))
    stand.do(1, 1)
    stand.plans.hold(1, "a sale")
    stand.clock.advance(59)
    assert stand.plans.release(1).state is PlanState.SOAKING
    assert "plan 1 is soaking" in stand.why(2)
    stand.clock.advance(1)
    assert stand.may(2)


def test_only_what_is_held_is_released_and_only_what_halted_is_resumed(stand: PlanStand) -> None:
    stand.begin(1)
    with pytest.raises(PlanConflict, match="it is running, not held"):
        stand.plans.release(1)
    with pytest.raises(PlanConflict, match="it is running, not halted"):
        stand.plans.resume(1)
    with pytest.raises(PlanConflict, match="it is running and cannot become running"):
        stand.plans.start(1)


def test_a_plan_that_is_cancelled_stays_so(stand: PlanStand) -> None:
    stand.begin(1)
    assert stand.may(1)
    cancelled = stand.plans.cancel(1, "wrong column", "anna")
    assert (cancelled.state, cancelled.ended, cancelled.reason) == (
        PlanState.CANCELLED,
        NOW,
        "anna: wrong column",
    )
    assert "no plan has" in stand.why(2)
    for act in (partial(stand.plans.hold, 1, "x"), partial(stand.plans.cancel, 1, "x")):
        with pytest.raises(PlanConflict, match="it is cancelled and cannot become"):
            act()
    with pytest.raises(PlanConflict):
        stand.plans.limit(1, 3)


def test_what_has_begun_under_a_plan_that_was_cancelled_still_has_its_place(stand: PlanStand) -> None:
    stand.begin(1, options=options(max_migrating_pods=1))
    assert stand.may(1)
    stand.tell(1, 1, "running")
    stand.plans.cancel(1, "wrong")
    stand.begin_with([migration(5)], options(max_migrating_pods=1, canary=2))
    assert "1 pods migrate already" in stand.why(2, 5)
    stand.migrations.append(migration(1))
    stand.tell(1, 1, "applied")
    assert stand.may(2, 5)


def test_how_many_migrate_may_be_changed_on_the_way(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",), max_migrating_pods=1))
    assert stand.may(1)
    assert not stand.may(2)
    stand.plans.limit(1, 2)
    assert stand.may(2)
    assert not stand.may(3)
    with pytest.raises(InvalidPlan):
        stand.plans.limit(1, 0)


def test_an_unknown_plan_is_a_typed_error(stand: PlanStand) -> None:
    for act in (partial(stand.plans.get, 7), partial(stand.plans.start, 7), partial(stand.status, 7)):
        with pytest.raises(UnknownPlan, match="there is no plan 7"):
            act()


def test_a_directory_without_these_tables_says_so(sqlite_url: str) -> None:
    empty = PlanStore(sqlite_url)
    with pytest.raises(DirectoryUnavailable, match=r"no tables|no file"):
        empty.read(lambda connection: connection.execute(text("SELECT 1 FROM podwork_plans")))
    empty.close()


def test_a_long_reason_is_clipped_and_not_refused(stand: PlanStand) -> None:
    stand.begin(1)
    stand.plans.hold(1, "x" * 100_000)
    assert len(stand.plan().reason) == 4_000


def test_a_dry_run_checks_a_change_returns_what_it_would_make_and_changes_nothing(stand: PlanStand) -> None:
    files = [migration(1)]
    trying = Plans(stand.store, stand.registered, dry_run=True)
    draft = stand.plans.create(files)
    assert trying.start(1, files).state is PlanState.RUNNING
    with pytest.raises(PlanChanged):
        trying.start(1, [migration(1, checksum="other")])
    assert trying.cancel(1, "x").state is PlanState.CANCELLED
    assert trying.set_canary(1, 2).options.canary == 2
    assert stand.plans.get(1) == draft
    assert [line.wave for line in stand.status().pods] == [0, 1, 2, 2]
    started = stand.plans.start(1, files)
    assert trying.hold(1, "x").state is PlanState.HELD
    assert trying.limit(1, 3).options.max_migrating_pods == 3
    assert stand.plans.get(1) == started
    assert [deed.what for deed in stand.plans.deeds(started)] == ["started"]
