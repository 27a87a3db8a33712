"""The guards of moves that promises rest on, for `tests.mutants`: the move's row, its movers, and the order of steps.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_MOVER = "pods/podwork_pods/mover"
_MOVES = "tests/contract/test_mover_moves.py"
_BOOK = "tests/contract/test_mover_runbook.py"
_REAL = "tests/integration/test_mover_moves.py"
_SERVICE = "tests/integration/test_mover_service.py"
_SHORT = "tests/integration/test_mover_short_way.py"
_DISTURBED = "tests/integration/test_mover_disturbed.py"
_ENDS = "tests/integration/test_mover_ends.py"
_PACE = "tests/contract/test_mover_rows_pace.py"
_LOCKS = "tests/integration/test_mover_locks.py"

Guard = tuple[str, str, str, str, str]


def _row(name: str, guard: str, broken: str, tests: str = _MOVES) -> Guard:
    return (f"moves: {name}", f"{_MOVER}/changing.py", guard, broken, tests)


def _store(name: str, guard: str, broken: str, tests: str = _MOVES) -> Guard:
    return (f"moves: {name}", f"{_MOVER}/moves.py", guard, broken, tests)


def _order(name: str, guard: str, broken: str, tests: str = _MOVES) -> Guard:
    return (f"moves: order: {name}", f"{_MOVER}/orders.py", guard, broken, tests)


def _book(name: str, guard: str, broken: str, tests: str = _BOOK) -> Guard:
    return (f"runbook: {name}", f"{_MOVER}/runbook.py", guard, broken, tests)


def _mover(name: str, guard: str, broken: str, tests: str = _BOOK) -> Guard:
    return (f"mover: {name}", f"{_MOVER}/mover.py", guard, broken, tests)


def _joined(name: str, file: str, guard: str, broken: str, tests: str = _REAL) -> Guard:
    return (f"crossing: {name}", f"{_MOVER}/joined/{file}.py", guard, broken, tests)


def _worker(name: str, file: str, guard: str, broken: str) -> Guard:
    return (f"mover: {name}", f"{_MOVER}/{file}.py", guard, broken, _SERVICE)


GUARDS: list[Guard] = [
    _row("the latest mover (moves.mover)", " & (moves.c.mover_epoch == mover)", ""),
    _row("the latest mover switches (switch.mover)", " & (moves.c.mover_epoch == mover)", "", f"{_MOVES}::test_an_earlier_mover_switches_nothing"),
    _row("the table of states (moves.state)", "allowed = moves.c.state.in_(sources(to, found.leg, author.by))", "allowed = moves.c.state.in_(list(MoveState))"),
    _row("one at a time", "    changes.lock(connection)\n", "", f"{_MOVES}::test_changes_come_one_after_the_other"),
    _row("an end lets the next one be planned", '**({"open_shop": None, "owner": "", "held": False} if to.is_over else {}),', ""),
    _row("the way back is leg 2", '"leg": leg_after(to, found.leg),', '"leg": found.leg,'),
    _row("every change is told", "    events.append(\n        connection,\n        found.id,\n", "    (lambda *_, **__: None)(\n        connection,\n        found.id,\n"),
    _store("nobody had it before (moves.draw)", "with_for_update()).scalar_one()) + 1", "with_for_update()).scalar_one())"),
    _store("drawn once (moves.draw)", ".values(value=epoch))", ".values(value=counters.c.value))"),
    _store("one move a shop", "raise MoveUnderWay(wanted.shop_id, open_move)", "pass"),
    _store("what has ended is nobody's", "            if found.state.is_over:\n                return found\n", ""),
    _store("a doubt takes nothing back", "if after is not None and not is_ours:", "if False:"),
    _store("a doubt about a draw", "is_ours = found.mover_epoch == after or found.owner ==", "is_ours = found.mover_epoch == after or '' =="),
    _store("a sweeper draws only where nothing moves", "                return None\n            return _draw_epoch", "                pass\n            return _draw_epoch"),
    _store("a rest is its mover's", "changing.note(connection, move.id, move.mover_epoch, values))\n\n    def note_found", "changing.note(connection, move.id, changing.get(connection, move.id).mover_epoch, values))\n\n    def note_found"),
    _store("who is silent", "moves.c.heartbeat < since", "moves.c.heartbeat <= since - 1e9"),
    _order("ends the rest", 'return {} if found.owner else {"heartbeat": 0.0}', "return {}"),
    _order("disturbs no mover", 'return {} if found.owner else {"heartbeat": 0.0}', 'return {"heartbeat": 0.0}'),
    _order("held where the shop feels nothing", "return move.held and move.state in HELD_IN", "return move.held"),
    _order("a cut-over is let go when ready", "if found.state not in _CUT_OVER_IN:", "if False:"),
    _book("jobs come to an end first", "            if time.monotonic() >= over_at:\n                raise GivesWay(f\"jobs", "            if time.monotonic() >= over_at:\n                break\n                raise GivesWay(f\"jobs"),
    _book("a budget of time", "        if time.monotonic() >= over_at:\n            raise GivesWay(\n", "        if False:\n            raise GivesWay(\n"),
    _book("a busy fence gives way", "        except FenceBusy as error:", "        except ZeroDivisionError as error:"),
    _book("gates are looked at before the switch", '        self._within(over_at, "check_gates", self._jobs.check_gates)\n', ""),
    _book("the last change before the last jobs", '        self._within(over_at, "apply_last", self._rows.apply_last)\n', ""),
    _book("a mismatch never switches (copy.verify)", "        if not differing:\n", "        if True:\n"),
    _book("a few rounds only", "        if self._mismatches >= TRIES:", "        if False:"),
    _book("three tries", "        if tries >= TRIES:\n            self.give_up", "        if False:\n            self.give_up"),
    _book("what was noted is forgotten (copy.again)", "        # What was noted is forgotten: the log is followed from the stored position (`copy.again`).\n        self._follows = False\n", ""),
    _book("blockers stop it", "        if found.blockers:\n", "        if False:\n"),
    _book("the way back begins where the switch says (feed.position)", 'since = self.move.back_position if self.move.leg == 2 else ""', 'since = ""'),
    _book("there is one way back", 'where = {"back_position": position} if self.move.leg == 1 else {}', 'where = {"back_position": position}'),
    _book("kept rows are stamped", '            self._take("stamp_kept", self._fences.leave_here)\n', ""),
    _book("the way back keeps its rows", '        if self.move.leg == 1:\n            self._take("purge_there"', '        if True:\n            self._take("purge_there"'),
    _book("stamped before it ends (moves.stamp)", '        self._take("reopen_here", self._fences.reopen_here)\n', '        if MoveState.FENCED in self.move.times:\n            self._take("reopen_here", self._fences.reopen_here)\n'),
    _mover("in doubt it draws", "self._open(self._draw(known.id, known.mover_epoch))", "self._open(self._store.get(known.id))"),
    _mover("a cut-over that was broken off is undone", "    **dict.fromkeys(CUTTING, Mover._give_way),", "    **dict.fromkeys(CUTTING, lambda mover: mover._book.cut_over()),"),
    _mover("who has lost it ends", "        _check_ours(known, found)\n        self._open(found)\n", "        self._open(found)\n"),
    _mover("the directory is waited for", "            except DirectoryUnavailable as error:\n                log.warning(\"move %s waits", "            except ZeroDivisionError as error:\n                log.warning(\"move %s waits"),
    _mover("held it waits", '        if waits(move):\n            self._wait("held")\n', ""),
    _mover("a try has its time", "if move.not_before is not None and self._store", "if False and self._store"),
    _mover("a cut-over is not left in the middle", "_NEVER_STOPS: Final = CUTTING | {MoveState.SWITCHED}", "_NEVER_STOPS: Final = frozenset({MoveState.SWITCHED})"),
    _mover("a worker stops", "        if self._book.move.state not in _NEVER_STOPS and self._should_stop():", "        if False:"),
    _mover("a silent Redis is passed over", "is_silent = since is not None and", "is_silent = False and"),
    _mover("what is hopeless is given up", "            self._hopeless = self._trouble\n", "            pass\n"),
    _mover("a rehearsal switches nothing", "        if move.is_rehearsal:\n            self._book.give_up(rehearsed(move))\n            return\n", ""),
    _order("a rehearsal is not cut over", "if found.is_rehearsal:", "if False:", _BOOK),
    _mover("a grace ends", "        if over_at is not None and not waits(move) and", "        if False and"),
    _joined("rows of the outbox wait for the relay", "outbox_rows", ".values(relayed=0)", ".values(relayed=ON_THE_WAY)"),
    _joined("a purge needs an earlier plan", "crossings", 'bool(move.found.get("tables"))', "False"),
    _joined("a fence that never was is made", "fences", "        if self._there.read(self._shop_id) is None:\n            self.receive_there()\n", ""),
    _joined("a way back that was given up has its own epoch", "fences", "return row.epoch if row is not None and is_away else epoch", "return epoch"),
    _worker("the target's pod first", "reconciler", "move.heartbeat < now - SILENT_SECONDS - SOURCE_SECONDS", "True"),
    _worker("only pods of the move", "reconciler", "        if move.away_pod == self._pod_id:\n            return True\n        return move.home_pod == self._pod_id and", "        return True or"),
    _worker("a live mover is left alone", "service", "    if _has_another(move, owner, store.directory.clock.now()):\n", "    if False:\n"),
    _worker("one job on a pod", "service", "retry=0, unique=Unique())", "retry=0)"),
    _worker("a stray gate", "sweeper", "        if is_held:\n            passage", "        if False:\n            passage"),
    _worker("a stray fence", "sweeper", "        if is_shut:\n            self._fence", "        if False:\n            self._fence"),
    _worker("late jobs", "sweeper", "        if is_behind:\n            passage", "        if False:\n            passage"),
    _worker("nothing under a move", "sweeper", "        if mover is None:\n            return 0\n", "        mover = mover or 99\n"),
    _joined("rows that change while they are compared", "comparing", "differing = [key for key in differing if key not in still]", "pass", _DISTURBED),
    ("moves: who has not compared does so before the cut-over", f"{_MOVER}/runbook.py", "        self._be_compared()\n", "", _DISTURBED),
    _joined("what differs before the fence is looked at under it", "followed_copy", "self._touched = self._differing_touched(pulse)", "self._touched = {}", _DISTURBED),
    _joined("a table that changes in the cut-over", "known_tables", "        if self._definitions() != self._defined:\n            self._check()\n", "", _DISTURBED),
    _joined("what is compared under the fence", "followed_copy", "            differing = self._differing_touched(lambda _: None)\n", "            differing: Keys = {}\n", _DISTURBED),
    _joined("what changes is brought while ranges are compared", "comparing", "                    bring()\n                    brought_at", "                    brought_at", _DISTURBED),
    ("moves: long reversible, seldom fed", f"{_MOVER}/resting.py", "min(max(first, age_seconds * REVERSIBLE_SHARE), LONGEST_REVERSIBLE_SECONDS)", "first", "tests/contract/test_mover_runbook.py"),
    _joined("short way: what an earlier try has left", "fenced_copy", "                for table in reversed(tables):  # children first\n                    self._writer.delete(table, self._target.keys(table, _ALL))\n", "", _SHORT),
    _joined("short way: both are compared", "fenced_copy", "            if not differing:\n                return\n", "            return\n", _SHORT),
    _joined("short way: a late relay", "fenced_copy", "if not tries_left or differing != [outbox.name]:", "if True:", _SHORT),
    _joined("short way: who is followed stays so", "fenced_copy", "            if Progress(self._written, self._passage).followed() is not None:\n                return False\n", "", _SHORT),
    _joined("short way: a table that changes", "fenced_copy", "        self._tables.check_under_fence()\n", "", _SHORT),
    _joined("short way: few rows", "fenced_copy", "keys <= self._most_rows and self._fits()", "self._fits()", _SHORT),
    _joined("short way: few bytes", "fenced_copy", "return self._bytes <= MOST_BYTES", "return True", _SHORT),
    _joined("short way: its bytes are paced", "fenced_copy", "self._pace(self._bytes, pulse)", 'pulse("")', _SHORT),
    _joined("short way: a shop that has grown", "fenced_copy", "        except TooMany as error:\n", "        except ZeroDivisionError as error:\n", _SHORT),
    _joined("short way: what was read holds nobody up", "fenced_copy", "        self._read.rollback()\n", "", f"{_SHORT} --timeout 60"),
    _joined("short way: not in a rehearsal", "crossings", "0 if move.is_rehearsal else self._small_rows", "self._small_rows", _SHORT),
    ("moves: short way: what it has left is no part of a copy", f"{_MOVER}/rows/passing.py", "            if since is None:  #", "            if False:  #", _SHORT),
    _worker("moves of a plan are pushed at once", "service", "push(app, move, move.away_pod)", "move"),
    _worker("and looked after again soon", "service", "BUSY_SECONDS if time.monotonic() < self._busy_until else LOOK_SECONDS", "LOOK_SECONDS"),
    _joined("what this mover has begun", "served_rows", "if self._was_planned or self._tables.are_read:", "if self._was_planned:", _DISTURBED),
    _joined("what this mover has begun, on SQLite", "embedded_rows", "        self._was_planned = True  #", "        #", _DISTURBED),
    _joined("an open fence that is held against the stamp is left", "fences", "        except FenceBusy:\n", "        except ZeroDivisionError:\n", _LOCKS),
    _joined("a closed one is not", "fences", "            if not _is(FenceState.OPEN, self._here.read(self._shop_id), self._passage.epoch):\n                raise\n", "            pass\n", _LOCKS),
    _book("a late close is undone before the cut-over", '        self._take("stay_open", self._fences.stay_open_here)\n', "", _LOCKS),
    _book("a late close is undone while it is reversible", '        self._take("stay_open", self._fences.stay_open_there)\n', "", _LOCKS),
    _mover("a deadlock is no reason to give up", "if not (is_deadlock(error) or is_lock_timeout(error)):", "if True:", f"{_BOOK}::test_a_deadlock_is_no_reason_to_give_up"),
    _book("stamped before it is reversible (moves.stamp)", '        self._take("open_there", self._fences.open_there)\n', '        if self.move.state is MoveState.SWITCHED:\n            self._take("open_there", self._fences.open_there)\n'),
    _book("what was compared may go, whoever finds it gone", '        self.move = self._take("let_go", lambda: self._store.note_compared(self.move))\n', ""),
    _book("what is copied again is compared again", "            if self.move.state in _COMPARED:\n", "            if self.move.state is MoveState.VERIFYING:\n"),
    _book("no way back is written down", "        except NoWayBack as lost:\n            why", "        except ZeroDivisionError as lost:\n            why"),
    _book("what cannot be fed is not tried again", "        if self.move.back_closed:\n            return\n", ""),
    _book("what cannot be compared waits for a person", "        except NoWayBack as lost:\n            uncompared", "        except ZeroDivisionError as lost:\n            uncompared"),
    _book("nothing is remembered of a move", '        self._take("forget_there", self._rows.forget_there)\n', ""),
    _book("a cut-over waits for no pace", "self._close_up(in_haste=True)", "self._close_up()"),
    _mover("no grace deletes what cannot be compared", "        if move.back_closed:", "        if False:"),
    _mover("in the dark nothing begins", "        if move.state in _BEGINS_SURE:\n            self._be_sure()\n", ""),
    _mover("in the dark no cut-over begins", "        self._be_sure()\n        self._book.cut_over()", "        self._book.cut_over()"),
    _mover("in the dark a cut-over is finished", "_BEGINS_SURE: Final = BEFORE_SWITCH - CUTTING", "_BEGINS_SURE: Final = BEFORE_SWITCH"),
    _order("no way back is refused", "MoveState.REVERSING, who, why, values, _check_way_back)", "MoveState.REVERSING, who, why, values)", _BOOK),
    _order("what cannot be compared is not deleted unasked", "MoveState.PURGING, who, why, NOTHING, _check_comparable)", "MoveState.PURGING, who, why, NOTHING)", _BOOK),
    _joined("a log is lost for good when it is lost twice", "kept_rows", "            except _FOR_GOOD as error:", "            except ZeroDivisionError as error:", _ENDS),
    _joined("a copy without its log begins anew", "followed_copy", "            raise CopyLost(error.what) from error\n", "            raise\n", _ENDS),
    _joined("a way back without its log is given up", "followed_copy", "            if self._passage.leg == 2:\n                raise GivesUp(error.what) from error\n", "", _ENDS),
    _joined("what is known of a copy is forgotten", "served_rows", "        forget(self._there.engine, self._passage.move_id)\n", "", _ENDS),
    _joined("the registry is asked", "crossings", '"" if registry.connected else', '"" if True else', _ENDS),
    ("moves: a deadlock while the way is cleared", f"{_MOVER}/rows/passing.py", "                if isinstance(trouble, Clash):\n                    self._clear_way(pulse)\n                    self._applier.clear(self._next_keys(table), lambda: pulse(\"clearing\"))\n                self._copy_table(table, pulse)\n                return\n            except Exception as error:\n", "                self._copy_table(table, pulse)\n                return\n            except Exception as error:\n                if isinstance(error, Clash):\n                    self._clear_way(pulse)\n                    self._applier.clear(self._next_keys(table), lambda: pulse(\"clearing\"))\n", _PACE),
    ("moves: changes keep to the pace", f"{_MOVER}/rows/passing.py", "                self._pace(0, pulse)\n", '                pulse("")\n', _PACE),
    ("moves: in haste nothing does", f"{_MOVER}/rows/passing.py", "            if in_haste:\n", "            if False:\n", _PACE),
    ("moves: the last changes are brought in haste", f"{_MOVER}/rows/passing.py", "while self.apply(pulse, in_haste=True):", "while self.apply(pulse):", _PACE),
    ("moves: a shard forgets one move only", f"{_MOVER}/rows/progress.py", "delete(progress).where(progress.c.move_id == move_id)", "delete(progress)", _PACE),
]  # fmt: skip
