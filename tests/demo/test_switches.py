"""What the page's switches set, and the conversations that it plays."""

from collections.abc import AsyncIterator

from kontext_rx import Message
from kontext_rx.adserver import Fixed, Settings
from kontext_rx.demo.scripts import Line, Script, Scripts
from kontext_rx.demo.switches import PACING, SwitchedPacing, switched
from kontext_rx.message import Turn
from kontext_rx.pacing import Go


def turn(number: int) -> Turn:
    message = Message.user(f"q{number}", "Hi")
    return Turn(message=message, number=number, at=0.0, conversation=(), conversation_id="c", user_id="u")


def test_the_ad_server_goes_by_its_switch_and_keeps_the_rest() -> None:
    given = Settings(seed=7)
    assert switched(given, {"server": "slow"}).latency == Fixed(2.0)
    assert switched(given, {"server": "broken"}).error_rate == 1.0
    assert switched(switched(given, {"server": "broken"}), {"server": "fast"}).error_rate == 0.0
    assert switched(given, {"kind": "video"}).kinds == ("video",)
    assert switched(given, {"kind": ""}).kinds is None
    assert switched(given, {"server": "slow"}).seed == 7


def test_what_no_switch_has_changes_nothing() -> None:
    given = Settings(kinds=("text",))
    assert switched(given, {"server": "x", "theme": "dark"}) == given
    assert switched(given, {"kind": "nonsense"}).kinds is None


def test_every_rule_decides_and_keeps_its_state_while_another_one_does() -> None:
    pacing = SwitchedPacing()
    state = pacing.rule.start
    for number, chosen in enumerate(PACING, 1):
        pacing.chosen = chosen
        before = dict(state)
        state, decision = pacing.rule.step(state, turn(number))
        assert decision.reason
        assert {name: kept for name, kept in state.items() if name != chosen} == {
            name: kept for name, kept in before.items() if name != chosen
        }


def test_the_first_choice_lets_every_turn_through() -> None:
    pacing = SwitchedPacing()
    assert all(isinstance(pacing.rule.step(pacing.rule.start, turn(number))[1], Go) for number in (1, 2, 3))


async def test_scripts_are_read_only_as_far_as_somebody_got() -> None:
    read: list[str] = []

    async def source() -> AsyncIterator[Script]:
        for title in ("b", "c"):
            read.append(title)
            yield Script(title, (Line("user", "Hi"),))

    scripts = Scripts(source(), known=[Script("a", ())])
    first, second = await scripts.get(1), await scripts.get(2)
    assert first is not None
    assert second is not None
    assert (first.title, second.title, read) == ("a", "b", ["b"])
    assert await scripts.get(2) is second
    assert await scripts.get(0) is None
    assert await scripts.get(9) is None
    assert await scripts.get(9) is None
    assert read == ["b", "c"]
