"""The guards of iteration in a shard that its promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "pods/podwork_pods/iteration"
_PARTITIONS = "tests/contract/test_pods_iteration.py"
_RUNS = "tests/contract/test_pods_iteration_runs.py"

Guard = tuple[str, str, str, str, str]


def _code(name: str, module: str, guard: str, broken: str, tests: str = _PARTITIONS) -> Guard:
    return (f"iteration: {name}", f"{_FOLDER}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _code("lease epoch at the lock", "remembered", "if found.lease_epoch != partition.lease_epoch:", "if False:"),
    _code("state at the lock", "remembered", "if found.state != PartitionState.RUNNING:", "if False:"),
    _code("forced at the lock", "remembered", "if forced is None or now.lease_forced < forced:", "if False:"),
    _code("a changed partition is read again", "remembered", "if found.revision != partition.revision:", "if False:"),
    _code("the lock holds", "remembered", "    .where(*THIS)\n    .with_for_update()\n", "    .where(*THIS)\n"),
    _code("the lock spares the run", "remembered", '_TOLD.scalar_subquery().label("run_revision")', '_TOLD.with_for_update().scalar_subquery().label("run_revision")'),
    _code("a force is looked for", "remembered", "if found.run_revision != told_revision:", "if False:"),
    _code("words that depend on values", "prepared", "None if _depends_on_values(compiled, dialect) else _Words(compiled)", "_Words(compiled)", "tests/contract/test_pods_iteration_prepared.py"),
    _code("remembered: a lease", "remembered", "    .where(\n        *HELD,\n        _COLUMN.revision", "    .where(\n        *THIS,\n        _COLUMN.revision"),
    _code("remembered: a revision", "remembered", '        _COLUMN.revision == bindparam("at_revision"),\n', '        bindparam("at_revision") == bindparam("at_revision"),\n'),
    _code("remembered: what the run was told", "remembered", '        _TOLD.scalar_subquery() == bindparam("told_revision"),\n', '        bindparam("told_revision") == bindparam("told_revision"),\n'),
    _code("remembered: who is left out", "remembered", "        ~_LEAVES_OUT,\n", ""),
    _code("lease epoch of a change", "remembered", '    _COLUMN.lease_epoch == bindparam("under_epoch"),\n', '    bindparam("under_epoch") == bindparam("under_epoch"),\n'),
    _code("state of a change", "remembered", "    _COLUMN.state == PartitionState.RUNNING,\n)", ")"),
    _code("revision of a batch", "partitions", '_COLUMN.revision == bindparam("at_revision")', 'bindparam("at_revision") == bindparam("at_revision")'),
    _code("revision after a split", "partitions", '"revision": found.revision + 1, ', ""),
    _code("a split of what is over", "partitions", "if found.state not in (PartitionState.WAITING, PartitionState.RUNNING):", "if False:"),
    _code("a split into nothing", "partitions", "if cut is None or key(cut) in (key(start), key(found.slice.upto)):", "if cut is None:"),
    _code("attempts reset on progress", "partitions", '            "attempts": 0,\n', ""),
    _code("lease epoch at the taking", "taking", "_COLUMN.lease_epoch == seen.lease_epoch, ", ""),
    _code("state at the taking", "taking", ", _COLUMN.state == seen.state", ""),
    _code("renewed before the taking", "taking", "if offer.if_not_leased_since is not None:", "if False:"),
    _code("a locked row is set aside", "taking", "locked.add(offer.seen.number)", "raise"),
    _code("takers hold no lock", "statements", "with unprepared(self.pod_id), self._engine().begin() as connection:", "with unprepared(self.pod_id), self._engine().begin() as connection, self._engine().begin():", _PARTITIONS),
    _code("one slot once", "schema", '"run_id", "slot", unique=True)', '"run_id", "slot")'),
    ("iteration: names are exact", "pods/podwork_pods/columns.py", '"mysql_collate": "utf8mb4_bin"', '"mysql_collate": "utf8mb4_general_ci"', _RUNS),
    _code("a run that stops hands out nothing", "offers", "if limits.state not in HANDS_OUT:", "if False:"),
    _code("slots below the limit", "offers", "held.slot < limits.parallel", "True"),
    _code("forced ones are free", "offers", " or held.lease_forced < limits.forced", ""),
    _code("no row is left", "runs", 'if connection.execute(_UNFINISHED, {"run_id": run_id}).first() is not None:', "if False:"),
    _code("who may succeed", "runs", "if RunState.SUCCEEDED not in states.WAYS[run.state] or not run.partitions:", "if not run.partitions:"),
    _code("the run's lock", "runs", "_LOCK = _READ.with_for_update()", "_LOCK = _READ"),
    _code("who makes a run is not locked out", "runs", 'made = connection.execute(_READ, {"run_id": run.id}).first()', 'made = connection.execute(_LOCK, {"run_id": run.id}).first()', _RUNS),
    _code("ways of the table", "runs", "states.check(run_id, run.state, to)", "pass", _RUNS),
    _code("success is the end's", "runs", "if to is RunState.SUCCEEDED:", "if False:", _RUNS),
    _code("revision of a run", "runs", "if revision is not None and run.revision != revision:", "if False:", _RUNS),
    _code("revision without a lock", "runs", ", runs.c.revision == run.revision)", ")", _RUNS),
    _code("over for good", "runs", "if not states.WAYS[run.state]:", "if False:", _RUNS),
    _code("a force voids leases", "runs", ", forced=run.forced + 1)", ")"),
    _code("the limit of quarantine", "quarantine", ", runs.c.quarantined < limit)", ")", _RUNS),
    _code("retried once", "quarantine", "        this = update(quarantined).where(quarantined.c.id == item.id, quarantined.c.retried.is_(None))\n        if", "        this = update(quarantined).where(quarantined.c.id == item.id)\n        if", _RUNS),
]  # fmt: skip

_LOOP = "tests/contract/test_pods_iterations.py"
_FAILING = "tests/contract/test_pods_iterations_failing.py"
_BESIDE = "tests/contract/test_pods_iterations_beside.py"

GUARDS += [
    _code("no end before it is cut", "runs", " or not run.partitions:", ":", _RUNS),
    _code("cut once", "runs", "        if run.partitions:\n            return run\n", "", _RUNS),
    _code("a batch begins with the lock", "batch", "partition, run_revision, leaves_out = shard.partitions.lock_with_run(connection, held, told)", "partition, run_revision, leaves_out = held, None, True", _LOOP + " --timeout 60"),
    _code("new orders are read", "batch", "if known is None or run_revision != told else known", "if known is None else known", _LOOP),
    _code("a setting is a new order", "runs", "return self._write(connection, run, revision=run.revision + 1, **values)", "return self._write(connection, run, **values)", _LOOP),
    _code("a state is a new order", "runs", "return self._write(connection, run, revision=run.revision + 1, **changes, **values)", "return self._write(connection, run, **changes, **values)", _LOOP),
    _code("a batch obeys", "batch", "if not may_go_on(partition, orders):", "if False:", _LOOP),
    _code("a batch knows its slot", "batch", " and partition.slot < orders.parallel", "", _LOOP),
    _code("whoever ends the transaction", "portion", "if session.get_transaction() is not transaction:", "if False:", _FAILING),
    _code("a batch moves on", "portion", "if portion.last == (part.after if cursor is None else cursor):", "if False:", _FAILING),
    _code("a pod's transaction is enclosed", "transactions", "        unbroken.enclose(connection, None)", "        pass", _FAILING),
    _code("stop before the first batch", "walk", "if self._patience.is_asked_to_stop():", "if self._waiting_since is not None and self._patience.is_asked_to_stop():", _LOOP),
    _code("time slices", "walk", "if self._patience.slice_is_over():", "if False:", _LOOP),
    _code("the end is asked for", "walk", "return OVER if self._course.finish() else ANOTHER", "return OVER", _LOOP),
    _code("what stands is begun", "walk", "            self._course.begin()\n            return None", "            return ANOTHER if self._course.go_on() else None", _LOOP),
    _code("a killer is left out", "failing", "if held.tried_alone < self._opened.task.job.batch_attempts:\n            return held", "if True:\n            return held", _FAILING),
    _code("trials are counted before", "failing", "        if not held.attempts:\n            return held\n        counted", "        return held\n        counted", _FAILING),
    _code("a failed batch is halved", "failing", "        self._sizing.halve(rows)\n", "", _FAILING),
    _code("the limit of what is left out", "failing", "        if after is None:\n            return self._fail(held, error)\n", "        if after is None:\n            return held\n", _FAILING + " --timeout 30"),
    _code("outages are seen after a look at a table", "collections/source", "        with reflecting(connection):\n", "        if True:\n", "tests/contract/test_pods_collections.py"),
    _code("outages cost nothing", "trouble", "return Kind.OUTAGE if isinstance(error, OUTAGES) else Kind.FAILED", "return Kind.FAILED", _FAILING),
    _code("deadlocks cost nothing", "trouble", "    if is_crowded(error):\n        return Kind.CROWDED\n", "", _FAILING),
    _code("a wrapped deadlock", "trouble", "following = following.__cause__ or following.__context__", "following = None", _FAILING),
    _code("a death is remembered", "taking", "case((_COLUMN.attempts == 0, int(was_held)), else_=_COLUMN.attempts)", "_COLUMN.attempts", _FAILING),
    _code("the earlier life takes nothing back", "shift", "            self._earlier_lives = ()\n", "            pass\n", _LOOP),
    _code("a job's earlier life", "shift", "dead_owners=self._earlier_lives,", "dead_owners=(),", _LOOP),
    _code("who comes back", "shift", "if any(self._is_alive(part, run.forced) for part in unfinished):", "if True:", "tests/contract/test_pods_iterations_failing.py tests/contract/test_pods_iterations.py"),
    _code("others are waited for", "course", "            if self._is_held(run, me):\n                return run\n", "", _LOOP),
    _code("a throttled run stays so", "course", "(stays_throttled and run.state is RunState.THROTTLED)", "False", _LOOP),
    _code("on_start once", "course", "if run.started is None:", "if True:", _LOOP),
    _code("on_resume after a person's word", "course", "elif run.state is RunState.ENQUEUED:", "elif True:", _LOOP),
    _code("a hook belongs to its change", "course", "with self._job.placed(Place(self._run_id, session)):\n                getattr", "with self._shard.open(self._shop_id) as session, self._job.placed(Place(self._run_id, session)):\n                getattr", _FAILING + " --timeout 60"),
    _code("a small rest is not split", "splitting", "if cut is None or not self._holds(connection, Slice(start, cut), least):", "if cut is None:", _LOOP),
    _code("room for a split", "splitting", "if len(held) >= parallel:", "if False:", _LOOP),
    _code("no run without its first job", "opening", "if context.job_id != run_id:", "if False:", _LOOP),
    _code("the run's own parameters", "opening", "job = declared.job(context, run.params, run.shop_id)", "job = declared.job(context, context.extras and {} or {}, run.shop_id)", _LOOP),
    _code("a shop's run in its transactions", "shard", "        if shop_id is None:\n            from", "        if True:\n            from", _BESIDE),
    _code("an item is done after all once", "redoing", "if not shard.quarantine.retry(connection, item):", "if False:", _BESIDE),
    _code("it is that item", "redoing", "if key(portion.last) == key(item.cursor):", "if True:", _BESIDE),
    _code("a rehearsal is undone", "rehearsal", "            raise _Undo\n", "", _BESIDE),
    _code("kept while nobody is there", "keeper", "        if not live:\n            return True  # to be cut, begun, finished, paused or cancelled\n", "        if not live:\n            return False\n", _BESIDE),
    _code("the keeper gets tired", "keeper", "min(2 * last.again_seconds, LONGEST_SECONDS)", "LOOK_SECONDS", _BESIDE),
    _code("the keeper hears of a person", "keeper", "if last is None or last.revision != run.revision:", "if last is None:", _BESIDE),
    _code("one that lives is enough", "keeper", 'any(job.state != "dead" for job in jobs)', "False", _BESIDE),
]  # fmt: skip

_FENCE = "tests/contract/test_pods_iteration_fence.py"

GUARDS += [
    _code("leases pass the shop's fence", "shard", "        if shop_id is None:\n            return self._statements\n", "        if True:\n            return self._statements\n", _FENCE + "::test_leases_change_under_the_shops_fence_only"),
    _code("a pod's leases pass none", "shard", "        if shop_id is None:\n            return self._statements\n", "", _FENCE + "::test_a_pods_run_opens_no_transaction_for_its_leases"),
    _code("a claim passes the fence", "statements", "with unprepared(self.pod_id), self._begin() as session:\n            yield session.connection()", "with super().claiming() as connection:\n            yield connection", _FENCE + "::test_nothing_is_taken_of_a_shop_that_has_gone"),
    _code("a lease's change passes the fence", "statements", "with self._typed(self._engine()), self._begin() as session:\n            yield session.connection()", "with super().writing() as connection:\n            yield connection", _FENCE + "::test_who_stops_after_the_shop_has_gone_gives_nothing_back"),
    _code("a shop's partitions are taken as such", "shift", "shard.leases(opened.run.shop_id)", "shard.leases(None)", _FENCE + "::test_nothing_is_taken_of_a_shop_that_has_gone"),
    _code("they are given back as such", "walk", "shard.leases(opened.run.shop_id)", "shard.leases(None)", _FENCE + "::test_who_stops_after_the_shop_has_gone_gives_nothing_back"),
    _code("their attempts are counted as such", "failing", "shard.leases(opened.run.shop_id)", "shard.leases(None)", _FENCE + "::test_a_batch_that_fails_while_the_shop_goes_is_counted_nowhere"),
    _code("an item's error is kept as such", "redoing", "shard.writing(run.shop_id)", "shard.writing(None)", _FENCE + "::test_an_item_that_fails_again_while_the_shop_goes_stays_as_it_is"),
    _code("a run is where its shop is", "shard", "session.fence.pod_id != self.pod_id", "False", _FENCE + "::test_a_run_is_not_looked_for_where_its_shop_is_now"),
    _code("a refused job does not end", "letting_go", " or (kind is Kind.ELSEWHERE and signal is None)", "", _FENCE + "::test_a_run_that_is_to_pause_does_so_where_its_shop_is"),
    _code("orders need a fence", "control", "if state != FenceState.OPEN:", "if state not in (None, FenceState.OPEN):", _FENCE + "::test_people_give_no_orders_to_a_run_whose_shop_has_no_fence_here"),
    _code("a moving shop's run stops no keeper", "keeper", "if kind is not Kind.ELSEWHERE and not", "if not", _FENCE + "::test_a_run_whose_shop_is_on_its_way_is_left_for_later_and_the_others_are_kept"),
    _code("nor one that a person changes", "keeper", " and not isinstance(error, RunConflict | RedirectLoop)", "", _FENCE + "::test_a_run_whose_shop_is_on_its_way_is_left_for_later_and_the_others_are_kept"),
    _code("nor any other", "keeper", "                return [error]\n", "                raise\n", _FENCE + "::test_what_one_run_meets_is_said_after_the_others_were_kept"),
    _code("it is said", "keeper", "        if met:\n            raise met[0]\n", "", _FENCE + "::test_what_one_run_meets_is_said_after_the_others_were_kept"),
    _code("an outage ends the turn", "keeper", "            if kind is Kind.OUTAGE:\n                raise\n", "", _FENCE + "::test_what_all_runs_would_meet_ends_the_turn"),
]  # fmt: skip

_PUSHING = "tests/integration/test_iteration_pushing.py"
_WIRING = "tests/unit/test_iteration_wiring.py"
_BIND = "spec.app.bind(connections.client, connections.iterations)"


def _engine(name: str, path: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"iteration: {name}", f"platform/podwork/{path}.py", guard, broken, tests)


GUARDS += [
    _engine("one that is pushed is no poison", "parcel", " and job_class.declaration is None\n", "\n", _PUSHING),
    _engine("one with options is no poison", "parcel", "        extras |= ITERATION\n", "        pass\n", _PUSHING),
    _engine("one of a bulk is no poison", "bundle", "    if job_class.declaration is not None:\n", "    if False:\n", _PUSHING),
    _engine("a further one is no poison", "iteration/pushing", ", extras=record.write_extras(ITERATION))", ")", _PUSHING),
    _engine("the shop comes last in an id", "identity", 'f"{head}.{number}-{shop}" if number', 'f"{head}-{shop}.{number}" if number', _WIRING),
    _engine("no at-most-once", "iteration/declaration", "if policy.at_most_once:", "if False:", _WIRING),
    _engine("no unique", "iteration/declaration", "if policy.unique is not None:", "if False:", _WIRING),
    _engine("limits above the time slice", "iteration/declaration", "limit_seconds <= slice_seconds:", "False:", _WIRING),
    _engine("children have a shard", "worker/boot", _BIND, "spec.app.bind(connections.client)", "tests/acceptance/test_docs_iteration.py"),
    _engine("job processes have a shard", "worker/isolation/job_process", _BIND, "spec.app.bind(connections.client)", "tests/unit/test_worker_job_process.py"),
    _engine("a batch begins anew in a test", "testing/iterating", "job = self._job()\n        collection,", "job = self.__dict__.setdefault('kept', self._job())\n        collection,", "tests/unit/test_testing_iterating.py"),
]  # fmt: skip
