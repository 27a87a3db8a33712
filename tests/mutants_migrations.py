"""The guards of a pod's migrations that their promises rest on: ledger, line and turn; for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "migrations_runner/podwork_migrations"
_LINE = "tests/contract/test_migrations_line.py"
_RUNNER = "tests/contract/test_migrations_runner.py"
_CONTROL = "tests/contract/test_migrations_control.py"
_LEDGER = "tests/contract/test_migrations_ledger.py"
_DATA = "tests/contract/test_migrations_data.py"
_KNOWN = "tests/unit/test_migrations_known.py"
_LIBRARY = "tests/unit/test_migrations_library.py"

Guard = tuple[str, str, str, str, str]


def _code(name: str, module: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"migrations: {name}", f"{_FOLDER}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    # The line
    _code("the server's lock", "line", "            if got != 1:\n", "            if False:\n", _LINE),
    _code("no entry without the lock", "line", "if not is_leased and connection.execute(_HOLDER).scalar() != connection_id:", "if False:", _LINE),
    _code("clearing up on a lost connection", "line", "            if self._own.invalidated:\n", "            if False:\n", _LINE),
    _code("the lock goes with its connection", "line", "            connection.detach()\n", "            pass\n", _LINE),
    _code("a long name of a database", "line", "IF(CHAR_LENGTH(DATABASE()) > 40, MD5(DATABASE()), DATABASE())", "DATABASE()", _LINE),
    _code("the epoch grows", "line", "epoch = found.epoch + 1", "epoch = found.epoch", _LINE),
    _code("the line's row is locked", "line", "_state(connection.execute(_READ.with_for_update()).one())", "_state(connection.execute(_READ).one())", _LINE),
    _code("a step compares the epoch", "line", '.where(_ROW, line.c.epoch == bindparam("of_epoch")).values(heartbeat_at', '.where(_ROW, bindparam("of_epoch") == bindparam("of_epoch")).values(heartbeat_at', f"{_LINE} {_RUNNER}"),
    _code("a step that lost is refused", "line", "if taken.rowcount != 1:", "if False:", _LINE),
    _code("a check compares the epoch", "line", "if epoch != self.epoch:", "if False:", _LINE),
    _code("a check asks for the lock", "line", "if not is_ours:", "if False:", _LINE),
    _code("a change of the schema checks first", "line", '        self.check()\n        reach("turn.ddl")', '        reach("turn.ddl")', _LINE),
    _code("no other connection in its place", "line", "if self._own.invalidated or self._own.closed:", "if False:", _LINE),
    _code("on SQLite a lease", "line", 'if is_leased and found.owner not in ("", owner) and now < found.heartbeat_at + LEASE_SECONDS:', "if False:", _LINE),
    _code("on SQLite the same job goes on", "line", 'found.owner not in ("", owner)', 'found.owner != ""', _LINE),
    _code("who has lost it does not end it", "line", '_LEAVE = update(line).where(_ROW, line.c.epoch == bindparam("of_epoch"))', '_LEAVE = update(line).where(_ROW, bindparam("of_epoch") == bindparam("of_epoch"))', _LINE),
    _code("children keep their rows", "line", 'dbapi_connection.execute("PRAGMA foreign_keys=OFF")', "pass", _LINE),
    _code("foreign keys are looked after again", "line", 'dbapi_connection.execute("PRAGMA foreign_keys=ON")', "pass", _LINE),
    _code("percent signs mean nothing", "line", ', execution_options={"no_parameters": True})', ")", _LINE),
    # The ledger
    _code("one open at a time", "ledger/schema", 'Column("open", Integer, nullable=True, unique=True,', 'Column("open", Integer, nullable=True,', f"{_RUNNER} {_CONTROL}"),
    _code("an ended one is not open", "ledger/ledger", "open=1 if to.is_open else None", "open=1", _RUNNER),
    _code("ways of the table", "ledger/ledger", "states.check(self.pod_id, entry.version, entry.state, to)", "pass", _CONTROL),
    _code("a state that somebody changed", "ledger/ledger", "_TABLE.state == entry.state)", "entry.state == entry.state)", _LEDGER),
    _code("no state by the way", "ledger/ledger", "if strangers := _OWN & set(values):", "if strangers := set():", _LEDGER),
    # A turn
    _code("what goes on is no news", "runner/service", "outcome.ending is Ending.UNDER_WAY and outcome.again_seconds < QUIET_SECONDS", "False", "tests/unit/test_migrations_composition.py"),
    _code("one query when nothing is to be done", "runner/runner", "        if standing.is_quiet:\n", "        if False:\n", _RUNNER),
    _code("what it requires", "runner/runner", "missing = [version for version in migration.requires if version not in done]", "missing: list[str] = []", _RUNNER),
    _code("what workers know", "runner/runner", "            if objection:\n", "            if False:\n", _RUNNER),
    _code("the gate's word", "runner/runner", "if isinstance(answer, Go):", "if True:", _RUNNER),
    _code("the order of versions", "runner/runner", "if not answer.others_may or", "if False or", _RUNNER),
    _code("who has nothing to begin looks after plans", "runner/runner", "if outcome.ending in (Ending.IDLE, Ending.STOPPED):", "if False:", _RUNNER),
    _code("a vanished host's lock is freed", "line", "            connection.execute(_FORGOTTEN)\n", "", _LINE),
    _code("a lost path is noticed", "line", "            watch_path(connection)\n", "", _LINE),
    _code("what was said before stays", "ledger/reasons", "whole = _BETWEEN.join(filter(None, (before, said)))", "whole = said", _CONTROL),
    _code("a long history keeps its last word", "ledger/reasons", "if len(whole) <= MOST_CHARACTERS:", "if True:", _CONTROL),
    _code("an edited file's overrides", "control", "        if is_edited:\n            values", "        if False:\n            values", _CONTROL),
    _code("a restored line gets ahead", "control", "reached = max(found.epoch, epoch) + 1", "reached = found.epoch + 1", _CONTROL),
    _code("a restored ledger tells again", "control", 'connection.execute(update(migrations).values(reported=""))', "pass", _CONTROL),
    _code("runs that are gone", "ledger/history", "if not found.issuperset(entry.run_ids)]", "if False]", _DATA),
    _code("no room for a copy", "change/ways", "            _check_room(connection, migration, plan)\n", "", "tests/contract/test_migrations_routes.py"),
    _code("a copy without room for a reason", "change/ways", " or NO_ROOM in migration.override:", ":", "tests/contract/test_migrations_routes.py"),
    _code("a failed one stops the line", "runner/runner", "return _stopped(standing) if standing.failed else self._begin(turn, library, standing)", "return self._begin(turn, library, standing)", _RUNNER),
    _code("a hold", "runner/runner", "if held.is_held:", "if False:", _RUNNER),
    _code("its text is as it began", "runner/runner", "if migration.checksum != entry.checksum:", "if False:", _RUNNER),
    _code("other workers may have its text", "runner/runner", 'if Witnesses(self._parts.portraits()).has(f"{entry.version}:{entry.checksum[:8]}"):', "if False:", _RUNNER),
    _code("not before its time", "runner/runner", "if wait_seconds > 0:\n            return Outcome(Ending.UNDER_WAY, entry.throttle_reason, wait_seconds)", "if False:\n            return Outcome(Ending.UNDER_WAY, entry.throttle_reason, wait_seconds)", _RUNNER),
    _code("the plan hears of every end", "runner/standing", "if mark.reported != mark.state:", "if False:", f"{_RUNNER} {_KNOWN}"),
    _code("planned once", "runner/advancing", "if not work.entry.route:", "if True:", _RUNNER),
    _code("a lock is waited for", "runner/advancing", "if isinstance(error, LockBusy) or is_crowded(error):", "if False:", _RUNNER),
    _code("deadlocks cost no attempt", "runner/advancing", " or is_crowded(error):", ":", _RUNNER),
    _code("later and later", "runner/advancing", "2.0 ** (tries - 1)", "1.0", _RUNNER),
    _code("outages cost nothing", "runner/advancing", "        except (LineLost, JobSignal, *OUTAGES):\n            raise\n        except (Exception, SystemExit)", "        except (LineLost, JobSignal):\n            raise\n        except (Exception, SystemExit)", _RUNNER),
    _code("what is lost is not failed", "runner/advancing", "        except (LineLost, JobSignal, *OUTAGES):\n            raise\n        except (Exception, SystemExit)", "        except (JobSignal, *OUTAGES):\n            raise\n        except (Exception, SystemExit)", _RUNNER),
    _code("the last change keeps its way back", "runner/advancing", "if in_the_way is not None:", "if False:", _RUNNER),
    _code("another table's way back stays", "runner/advancing", "if not self._routes.clashes(connection, work.migration, work.direction, held):", "if False:", _RUNNER),
    _code("kept for long enough", "ledger/entry", "return max(self.hold_until, self.not_before or 0.0) <= now", "return self.hold_until <= now", _RUNNER),
    _code("changes are seen", "ledger/ledger", "values(revision=line.c.revision + 1)", "values(revision=line.c.revision)", _RUNNER),
    _code("the same ledger", "runner/quiet", " and revision() == self.revision", "", _RUNNER),
    _code("the same files", "runner/quiet", "return digest == self.digest and ", "return ", _RUNNER),
    _code("not for ever", "runner/quiet", "[now + LONGEST_SECONDS, *held]", "[now + 1e9, *held]", _RUNNER),
    _code("what is to be cleared away", "runner/quiet", "[now + LONGEST_SECONDS, *held]", "[now + LONGEST_SECONDS]", _RUNNER),
    # Workers and files
    _code("where nobody is seen", "runner/known", "if not self._portraits:", "if False:", _KNOWN),
    _code("the same text", "runner/known", "migration.digest not in known", "not any(one.startswith(migration.version) for one in known)", _KNOWN),
    _code("after the deployment", "runner/known", "if migration.phase is Phase.AFTER_DEPLOY and len(revisions) > 1:", "if False:", f"{_KNOWN} {_RUNNER}"),
    _code("required ones are earlier", "library", "            if named in seen:\n", "            if True:\n", _LIBRARY),
    _code("line ends change nothing", "library", r'.replace(b"\r\n", b"\n").replace(b"\r", b"\n")', "", _LIBRARY),
    _code("a new file is the latest", "writing", 'if last >= f"{moment:%Y%m%d%H%M%S}":', "if False:", _LIBRARY),
    # A person
    _code("a retry is counted", "control", "**values, attempts=before.attempts + 1)\n            return Changed(before, entry)\n\n        return self._change(retry, dry_run)", "**values)\n            return Changed(before, entry)\n\n        return self._change(retry, dry_run)", _CONTROL),
    _code("no edit under what was made", "control", "if before.artefacts or (is_edited and before.run_ids and before.state is EntryState.FAILED):", "if False:", _CONTROL),
    _code("a way back there is", "control", "if migration.down is None and not before.artefacts:", "if False:", _CONTROL),
    _code("what others require", "control", "if before.version in later.requires and mark and mark.state.counts_as_done:", "if False:", _CONTROL),
    _code("a dry run is undone", "control", "                if dry_run:\n                    raise _Undo\n", "", _CONTROL),
    _code("the first hold counts", "control", "if not found.is_held:", "if True:", _CONTROL),
    # Data migrations
    _code("what up does and its runs are one", "runner/backfilling", "runs = [work.shard.runs.create(connection, run, ()) for run in new]", "runs = []", _DATA),
    _code("its runs are looked at", "runner/backfilling", "is_done = all(status.run.state is RunState.SUCCEEDED for status in found)", "is_done = True", _DATA),
    _code("a run that failed fails it", "runner/backfilling", "if status.run.state in (RunState.FAILED, RunState.CANCELLED):", "if False:", _DATA),
    _code("no DDL among the data", "runner/backfilling", "            unbroken.enclose(connection, None)\n", "", _DATA),
    _code("cancelled before it is taken back", "runner/backfilling", "        if any(state not in (RunState.SUCCEEDED, RunState.CANCELLED) for state in states):\n", "        if False:\n", _DATA),
    _code("another attempt has other runs", "runner/backfilling", ":{entry.attempts}:{entry.started!r}", ":{entry.started!r}", _DATA),
]  # fmt: skip
