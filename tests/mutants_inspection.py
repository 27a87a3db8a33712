"""The guards of the read side and of bulk actions that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_ENGINE = "platform/podwork"
_LISTS = "tests/integration/test_engine_lists.py"
_INSPECTION = "tests/integration/test_engine_inspection.py"
_WHY = "tests/integration/test_engine_why.py"
_SENTENCES = "tests/integration/test_engine_why_sentences.py"
_SELECTION = "tests/integration/test_engine_selection.py"
_JOBS = "tests/acceptance/test_cli_jobs.py"
_CHANGING = "tests/acceptance/test_cli_jobs_changing.py"
_PLACES = "tests/unit/test_cli_job_places.py"

Guard = tuple[str, str, str, str, str]


def _script(name: str, label: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"{name}: {label}", f"{_ENGINE}/scripts/{name}.lua", guard, broken, tests)


def _inspection(file: str, label: str, guard: str, broken: str, tests: str = _LISTS) -> Guard:
    return (f"inspection: {label}", f"{_ENGINE}/inspection/{file}.py", guard, broken, tests)


def _why(label: str, guard: str, broken: str, tests: str = _WHY, file: str = "explain") -> Guard:
    return (f"why: {label}", f"{_ENGINE}/why/{file}.py", guard, broken, tests)


def _selection(label: str, guard: str, broken: str, tests: str = _SELECTION) -> Guard:
    return (f"selection: {label}", f"{_ENGINE}/selection.py", guard, broken, tests)


def _cli(label: str, file: str, guard: str, broken: str, tests: str = _CHANGING) -> Guard:
    return (f"podctl jobs: {label}", f"ops/podwork_ops/cli/{file}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _script(
        "walk_lanes",
        "goes on where the id is now",
        "if found == id then return low + k end",
        "if k == index - low + 1 then return low + k end",
        _LISTS,
    ),
    _script(
        "walk_lanes", "far away too", "local at = redis.call('LPOS', lane, id)", "local at = nil", _LISTS
    ),
    _script(
        "walk_lanes",
        "a lane whose anchor is gone begins anew",
        "return at and at + 1 or 0",
        "return at and at + 1 or index + 1",
        _LISTS,
    ),
    _script(
        "walk_lanes",
        "who left the room",
        "if is_room and redis.call('HGET', PARKED, id) ~= queue then record = false end",
        "",
        _LISTS,
    ),
    _script(
        "walk_lanes",
        "every lane has its share",
        "local quota = each > 0 and math.min(each - from, want - got) or want - got",
        "local quota = want - got",
        _INSPECTION,
    ),
    _script(
        "walk_sorted",
        "behind one that is gone",
        "if score ~= time then return (score > time) ~= backwards end",
        "if score ~= time then return (score < time) ~= backwards end",
        _LISTS,
    ),
    _script(
        "walk_sorted", "among those of one time", "return (id > anchor) ~= backwards", "return true", _LISTS
    ),
    _script(
        "walk_sorted",
        "the rank of now",
        "if rank then return rank + 1 end",
        "if rank then return rank end",
        _LISTS,
    ),
    _inspection(
        "walk",
        "shops in a fixed order",
        "shops = sorted({*ring, *outside}, key=_by_number)",
        "shops = [*ring, *outside]",
    ),
    _inspection("walk", "shops outside of the ring", "{*ring, *outside}", "{*ring}"),
    _inspection("walk", "held behind the place", "if job_id > behind", "if True"),
    _inspection(
        "paging",
        "a cursor is of its list",
        "if digest != wanted.digest or place.state not in wanted.wanted_states:",
        "if place.state not in wanted.wanted_states:",
    ),
    _inspection("paging", "the bound", "if looked_at >= most_looked_at:", "if False:"),
    _inspection(
        "paging", "the end is known", "if found is not None and len(jobs) == limit:", "if len(jobs) == limit:"
    ),
    _inspection(
        "filters",
        "the class, not a word like it",
        "not parts[7].startswith(self._class)",
        "self._class not in parts[7]",
    ),
    _inspection(
        "filters",
        "the shop",
        "if wanted.shop is not None and job_id.partition",
        "if False and job_id.partition",
    ),
    _inspection(
        "filters", "the queue", "if self._queue is not None and parts[1] != self._queue:", "if False:"
    ),
    _inspection(
        "filters",
        "the fingerprint",
        "return self._wanted.fingerprint in (None, _fingerprint(stored))",
        "return True",
    ),
    _inspection(
        "reading",
        "a poison pill's own fingerprint",
        " or error.startswith(_WRITTEN_BY_SCRIPTS)",
        "",
        _INSPECTION,
    ),
    _inspection(
        "reading",
        "due by the schedule",
        'found.more if found.state == "scheduled" else head.due_ms',
        "head.due_ms",
        _SENTENCES,
    ),
    _inspection(
        "gathering",
        "says that it did not see all",
        "partial = len(ring) > len(looked_at)",
        "partial = False",
        _INSPECTION,
    ),
    _inspection(
        "gathering",
        "both ends of the ring",
        "ring[: lanes // 2] + ring[-(lanes - lanes // 2) :]",
        "ring[:lanes]",
        _INSPECTION,
    ),
    _inspection(
        "gathering",
        "a lane may have more",
        "if each and step.place.number + 1 == each:",
        "if False:",
        _INSPECTION,
    ),
    _inspection("gathering", "the dead wait for nothing", 'if job.state != "dead":', "if True:", _INSPECTION),
    _script("why", "holds that are over", "if in_force and fits(", "if fits(", _SENTENCES),
    _script(
        "why",
        "a limit for each shop",
        "limit.shop == 'each' and limit.name .. ' ' .. shop or limit.name",
        "limit.name",
        _SENTENCES,
    ),
    _why("who waits in the room comes first", " or limit.waiting > 0", "", _SENTENCES),
    _why("who has a slot", "not limit.has_slot and ", "", _SENTENCES),
    _why(
        "gate before the shop's hold",
        'if facts.gate.state != "open":\n        yield words.gate(facts, job)\n    shop_holds = list(_holds(facts, Code.HELD_SHOP))\n    yield from shop_holds',
        'shop_holds = list(_holds(facts, Code.HELD_SHOP))\n    yield from shop_holds\n    if facts.gate.state != "open":\n        yield words.gate(facts, job)',
    ),
    _why(
        "the whole pod first",
        "    yield from _holds(facts, Code.HELD_POD)\n    yield from _holds(facts, Code.HELD_QUEUE)",
        "    yield from _holds(facts, Code.HELD_QUEUE)\n    yield from _holds(facts, Code.HELD_POD)",
    ),
    _why("a hold that still stands", 'if kind == "hold" and (hold :=', "if False and (hold :="),
    _why("a limit that is free lets in", "and not limit.is_free:", "and True:", _SENTENCES),
    _why(
        "nobody lives to queue it", "if job.due_at <= facts.now and not facts.live:", "if False:", _SENTENCES
    ),
    _why(
        "nobody lives to let it in",
        '    if not facts.live:\n        return words.nobody_lives(facts, "what',
        '    if False:\n        return words.nobody_lives(facts, "what',
        _SENTENCES,
    ),
    _why("silent", "holder is None or holder.is_silent", "holder is None", _SENTENCES),
    _why("cancelled", "if job.is_cancelled:", "if False:"),
    _why(
        "one that is not quiet is enough",
        "if all(process.is_quiet for process in serving):",
        "if any(process.is_quiet for process in serving):",
        _SENTENCES,
    ),
    _why(
        "only live workers count",
        "return [process for process in self.processes if process.is_live]",
        "return self.processes",
        _SENTENCES,
        "facts",
    ),
    _why("versions", "classes.get(job_class, 0) >= version", "job_class in classes", file="facts"),
    _why(
        "who does not say what it knows may know",
        "classes is None or ",
        "classes is not None and ",
        file="facts",
    ),
    _why(
        "a missed heartbeat",
        "self.silent_seconds * 3 > 2 *",
        "self.silent_seconds * 3 > 1 *",
        _SENTENCES,
        "facts",
    ),
    _script(
        "apply",
        "taken off as it is done",
        "redis.call('LTRIM', list, #ids, -1)",
        "redis.call('LTRIM', list, math.min(#ids, 1), -1)",
        _SELECTION,
    ),
    _script(
        "apply",
        "for one action",
        "if begun ~= action then return { begun, redis.call('LLEN', list) } end",
        "",
        _SELECTION,
    ),
    _script(
        "apply",
        "a set that is gone",
        "if redis.call('EXISTS', note) == 0 then return false end",
        "",
        _SELECTION,
    ),
    _script(
        "choose", "kept for some hours", "redis.call('EXPIRE', CHOSEN .. selection, keep)", "", _SELECTION
    ),
    _selection("only jobs still in the state", 'state = states[0] if len(states) == 1 else ""', 'state = ""'),
    _selection("only the dead are discarded", '["dead", "discarded"]', '["", "discarded"]'),
    _selection("bounded", "if choice.count == most:", "if False:"),
    _selection(
        "for one action, before anything",
        "if action and begun and begun.decode() != str(action):",
        "if False:",
        _CHANGING,
    ),
    _cli("asks", "job_bulk", 'confirm(f"{action} {of} on {where}", choice["yes"])', "pass"),
    _cli(
        "a yes without a terminal",
        "job_bulk",
        'if not (choice["yes"] or choice["dry_run"] or sys.stdin.isatty()):',
        "if False:",
    ),
    _cli("a dry run", "job_bulk", 'if not total or choice["dry_run"]:', "if not total:"),
    _cli(
        "a dry run of named jobs",
        "job_changes",
        'if pod is not None and not choice["dry_run"]:',
        "if pod is not None:",
    ),
    _cli(
        "forgets what nobody wants",
        "job_bulk",
        "_forget_unbegun(platform, pod_id, selection)\n        raise",
        "raise",
    ),
    _cli(
        "the dead are not meant by cancel",
        "job_changes",
        'Change(Action("cancel"), STATES, ("held", "ready", "scheduled", "parked"))',
        'Change(Action("cancel"), STATES, STATES)',
    ),
    _cli(
        "whole ids for changes",
        "job_places",
        "places = {job_id: likely_pods(platform, job_id, pod_id) for job_id in dict.fromkeys(job_ids)}",
        "places = {job_id: platform.chosen(pod_id) for job_id in dict.fromkeys(job_ids)}",
        _PLACES,
    ),
    _cli(
        "the shop's own pod first",
        "job_places",
        "sorted(pods, key=lambda pod: (pod != home, pod))",
        "sorted(pods)",
        _PLACES,
    ),
    _cli(
        "errors without secrets",
        "job_rows",
        'return mask(error.partition("\\n")[0])',
        'return error.partition("\\n")[0]',
        _JOBS,
    ),
    _cli(
        "arguments without secrets", "job_rows", '"args": mask_value("", job.args)', '"args": job.args', _JOBS
    ),
    _cli(
        "sentences without secrets",
        "jobs",
        '"sentence": mask(answer.sentence)',
        '"sentence": answer.sentence',
        _JOBS,
    ),
    _cli(
        "a cursor's pod",
        "job_lists",
        "if not dot or not pod.isdecimal() or int(pod) not in pods:",
        "if False:",
        _JOBS,
    ),
]
