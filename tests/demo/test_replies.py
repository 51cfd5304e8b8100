"""What the demo says without a model."""

from kontext_rx.demo.replies import reply_to, tokens


def test_replies_fit_the_question_and_are_the_same_each_time() -> None:
    assert "tent" in reply_to("Any tent for two?")
    assert "table" in reply_to("Where should we eat tonight?")
    assert reply_to("zzz") == reply_to("zzz") != ""
    assert reply_to("half an emoji \ud83d")
    assert "".join(tokens(reply_to("zzz"))) == reply_to("zzz")
