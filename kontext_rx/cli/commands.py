"""The commands and their options."""

from __future__ import annotations

import asyncio
import importlib
import io
import math
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal, TypeVar

import click

import kontext_rx as kx
from kontext_rx import pacing
from kontext_rx.adserver import KINDS, AdServerError, InvalidSettingError, Settings, parse_latency
from kontext_rx.demo.model import ChatModel
from kontext_rx.options import server_url

from .demo import PORT as DEMO_PORT
from .demo import DemoJob
from .demo import demo as show_demo
from .interrupts import INTERRUPTED, held_back
from .replay import CommandError, ReplayJob
from .replay import replay as replay_export
from .screen import Screen
from .serving import serve
from .tempo import REPLY_DELAY_S, TURN_DELAY_S, Tempo

__all__ = ["cli"]

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_PORT: Final = 8790
"""Where `kontext-rx adserver` listens unless told otherwise. Source: ours."""


class _Number(click.FloatRange):
    """A finite number: `nan` is in every range and `inf` in most."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


SECONDS: Final = _Number(min=0)
FACTOR: Final = _Number(min=0, min_open=True)
SHARE: Final = _Number(min=0, max=1)
COUNT: Final = click.IntRange(min=1)


def _settings(*names: str) -> Callable[[F], F]:
    """The options of the embedded ad server that are named, all of them when none is."""

    def decorate(command: F) -> F:
        for name, option in reversed(_SETTINGS.items()):
            if not names or name in names:
                command = option(command)
        return command

    return decorate


def _share(name: str, what: str) -> Callable[[F], F]:
    return click.option(f"--{name}", type=SHARE, help=f"Share of the preloads, 0 to 1, {what}.")


_SETTINGS: Final[dict[str, Callable[[Any], Any]]] = {
    "fill_rate": click.option("--fill-rate", type=SHARE, help="Share of the turns that are filled, 0 to 1.  [1]"),
    "latency": click.option(
        "--latency",
        metavar="TEXT",
        help="How long an answer takes, in seconds: '0.2', 'uniform:0.1,0.5' (from, to) or 'lognormal:0.2,0.6' "
        "(median, sigma).  [0]",
    ),
    "seed": click.option("--seed", type=int, help="The same seed and conversations give the same answers.  [0]"),
    "every": click.option("--every", type=COUNT, help="Fill only each Nth turn of a conversation.  [1]"),
    "frequency_cap": click.option("--frequency-cap", type=click.IntRange(min=0), help="Ads a user gets at most."),
    "skip_code": click.option("--skip-code", help="Why turns that --fill-rate leaves out skip.  [unfilled_bid]"),
    "pacing_skip_code": click.option(
        "--pacing-skip-code", help="Why turns that --every leaves out skip.  [ad_skipped]"
    ),
    "fill_track_only": click.option("--fill-track-only", is_flag=True, default=None, help="Fill tracked turns too."),
    "kinds": click.option(
        "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only creatives of this kind; may be repeated."
    ),
    "bid_ttl": click.option("--bid-ttl", type=SECONDS, help="Seconds that a bid can be shown.  [3600]"),
    "init_latency": click.option("--init-latency", metavar="TEXT", help="How long /init takes, like --latency.  [0]"),
    "enabled": click.option(
        "--enabled/--disabled", default=None, help="Whether /init lets sessions have ads.  [enabled]"
    ),
    "preload_timeout_ms": click.option(
        "--preload-timeout-ms", type=COUNT, help="The preloadTimeout that /init asks for, in milliseconds."
    ),
    "report_errors": click.option(
        "--report-errors/--no-report-errors", default=None, help="Whether /init asks for errors.  [report]"
    ),
    "report_debug": click.option(
        "--report-debug/--no-report-debug", default=None, help="Whether /init asks for debug events.  [no report]"
    ),
    "err_code": click.option("--err-code", help="Answer every preload with this errCode."),
    "permanent": click.option(
        "--permanent", is_flag=True, default=None, help="Answer every preload with permanent: true."
    ),
    "error_rate": _share("error-rate", "answered with an HTTP error"),
    "error_status": click.option(
        "--error-status", type=click.IntRange(400, 599), help="The status of --error-rate.  [503]"
    ),
    "rate_limit_rate": _share("rate-limit-rate", "answered with 429"),
    "retry_after": click.option("--retry-after", type=SECONDS, help="The Retry-After of a 429, in seconds.  [1]"),
    "no_content_rate": _share("no-content-rate", "answered with 204"),
    "malformed_rate": _share("malformed-rate", "answered with what is not JSON"),
    "half_sent_rate": _share("half-sent-rate", "that get half an answer"),
    "reset_rate": _share("reset-rate", "whose connection is reset"),
    "hang_rate": _share("hang-rate", "that are never answered"),
}
"""An option for each setting of the ad server; without one the setting keeps its own default, which help repeats."""


def _read_settings(given: dict[str, Any]) -> Settings:
    """The settings that were given. Raises `click.UsageError` in the words of the command line."""
    chosen = {name: value for name, value in given.items() if value not in (None, ())}
    name = ""
    try:
        for name in ("latency", "init_latency"):
            if name in chosen:
                chosen[name] = parse_latency(chosen[name])
        name = ""
        return Settings(**chosen)
    except InvalidSettingError as error:
        option = _option(name) if name else " + ".join(_option(part) for part in error.setting.split(" + "))
        shown = given[name] if name else error.given
        raise click.UsageError(f"{option} {shown} cannot be used: {error.wanted}") from None


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _run(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command on a loop and leave with its exit code; what it cannot do is one sentence."""
    try:
        code = asyncio.run(work)
    except (CommandError, AdServerError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(code or 0)


class _Commands(click.Group):
    """Ctrl-C ends a command as shells have it; click's own exit code would be 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kontext-rx", prog_name="kontext-rx", message="%(prog)s %(version)s")
def cli() -> None:
    """Kontext ads for AI chat apps: try sessions on conversations, without an app and without an account."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character shows another


@cli.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0 is any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 is every network of this machine.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
@_settings()
def adserver(port: int, host: str, quiet: bool, **settings: Any) -> None:
    """
    Run the embedded ad server.

    It speaks the real protocol, with invented ads. As it starts every turn is filled at once; the options make it
    pace, skip, fail and stall.
    """
    _run(serve(_read_settings(settings), Screen(), host=host, port=port, quiet=quiet))


@cli.command()
@click.argument("file", metavar="FILE")
@click.option("--ad-server", metavar="URL", help="An ad server. Without one, an embedded one is used.")
@click.option(
    "--publisher-token", default="replay", envvar="KONTEXT_PUBLISHER_TOKEN", show_envvar=True, help="For --ad-server."
)
@click.option("--limit", type=COUNT, metavar="N", help="Play only the first N conversations.")
@click.option(
    "--concurrency", type=COUNT, default=10, show_default=True, metavar="N", help="Conversations at the same time."
)
@click.option(
    "--turn-delay",
    type=SECONDS,
    metavar="S",
    help=f"Seconds before each user message.  [as recorded, else {TURN_DELAY_S:g}]",
)
@click.option(
    "--reply-delay",
    type=SECONDS,
    metavar="S",
    help=f"Seconds before each reply.  [as recorded, else {REPLY_DELAY_S:g}]",
)
@click.option("--speed", type=FACTOR, default=1.0, metavar="X", help="Divide every delay by X.  [1]")
@click.option("--log", metavar="OUT.jsonl", help="Write every event and preload step, with its time.")
@click.option("--json", "as_json", is_flag=True, help="Print only a summary, as one JSON object.")
@_settings("fill_rate", "latency", "seed", "every", "frequency_cap", "error_rate")
def replay(
    file: str,
    ad_server: str | None,
    publisher_token: str,
    limit: int | None,
    concurrency: int,
    turn_delay: float | None,
    reply_delay: float | None,
    speed: float,
    log: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """
    Play a conversation export through real sessions, in real time.

    FILE is JSONL of {"id": ..., "messages": [{"role", "content", "created_at"?, "id"?}]}, the same as one JSON array,
    or ShareGPT's conversations with "from" and "value"; - is standard input. Each conversation is a user of its own.
    The last six options are for the embedded ad server.
    """
    given = [name for name, value in settings.items() if value is not None]
    if ad_server is not None and given:
        raise click.UsageError(
            f"{_option(given[0])} is for the embedded ad server: leave it out, or leave --ad-server out"
        )
    job = ReplayJob(
        path=file,
        ad_server=_read_settings(settings) if ad_server is None else _web_address(ad_server, "--ad-server"),
        publisher_token=_token(publisher_token),
        tempo=Tempo(turn_delay_s=turn_delay, reply_delay_s=reply_delay, speed=speed),
        concurrency=concurrency,
        limit=limit,
        log=log,
        as_json=as_json,
    )
    _run(replay_export(job, Screen()))


@cli.command()
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help=f"Of the page; 0: any.  [{DEMO_PORT}]")
@click.option("--no-browser", is_flag=True, help="Serve the page without opening it, until Ctrl-C.")
@click.option("--headless", is_flag=True, help="Visit the page with a Chromium that needs no screen, and print.")
@click.option("--text", is_flag=True, help="No page: conversations and their ads as text.")
@click.option("--speed", type=FACTOR, default=1.0, metavar="X", help="Play X times as fast.  [1]")
@click.option("--model", metavar="NAME", help="Who answers in the chat, at an OpenAI-compatible endpoint.")
@click.option("--model-url", metavar="URL", help="The endpoint's base address.  [OPENAI_BASE_URL]")
def demo(
    file: str | None,
    port: int | None,
    no_browser: bool,
    headless: bool,
    text: bool,
    speed: float,
    model: str | None,
    model_url: str | None,
) -> None:
    """
    Chat in the browser, with real ads under the replies and a live timeline of what the session does.

    Without a screen a headless Chromium visits the page, and the timeline is printed; without one of those,
    conversations are shown as text.

    FILE is an export as in `kontext-rx replay`: its conversations are played in the page, one after the other, and only
    the first of them with --headless or --text.

    The ads are invented and come from an embedded ad server: nothing leaves this machine, unless --model names a chat
    model to answer. Its key, where it needs one, is OPENAI_API_KEY.
    """
    asked = [
        name for name, given in (("--no-browser", no_browser), ("--headless", headless), ("--text", text)) if given
    ]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} exclude each other: give one")
    if text and model is not None:
        raise click.UsageError("--model is for the page: leave it out, or leave --text out")
    job = DemoJob(
        wanted="page" if no_browser else "headless" if headless else "text" if text else None,
        browser=not no_browser,
        path=file,
        model=_model(model, model_url),
        port=port,
        speed=speed,
    )
    _run(show_demo(job, Screen()))


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--rule", "rules", metavar="[NAME=]RULE", multiple=True, required=True, help="A rule; may be repeated.")
@click.option(
    "--engine",
    type=click.Choice(("pure", "session")),
    default="pure",
    show_default=True,
    help="The rules' arithmetic, or real sessions in virtual time. Both give the same.",
)
@click.option(
    "--assume",
    "assumptions",
    metavar="NAME=VALUE",
    multiple=True,
    help="Of people and the ad server: fill=0.9,0.7, latency=lognormal:0.8,0.5; may be repeated.",
)
@click.option("--seeds", type=COUNT, default=1, show_default=True, metavar="N", help="Repeat it with other dice.")
@click.option("--workers", type=COUNT, metavar="N", help="Processes.  [as many as processors]")
@click.option("--dask", metavar="ADDRESS", help="Use the Dask cluster with this scheduler.")
@click.option("--out", metavar="REPORT.html", help="Write a report that can be read without anything else.")
@click.option("--json", "as_json", is_flag=True, help="Print only a summary, as one JSON object.")
@click.option("--limit", type=COUNT, metavar="N", help="Take only the first N conversations.")
@click.option("--baseline", metavar="NAME", help="The rule that the others are held against.  [every turn]")
@click.option("--no-baseline", is_flag=True, help="Hold them against none, and leave 'every turn' out.")
def simulate(
    files: tuple[str, ...],
    rules: tuple[str, ...],
    engine: Literal["pure", "session"],
    seeds: int,
    workers: int | None,
    dask: str | None,
    out: str | None,
    as_json: bool,
    limit: int | None,
    baseline: str | None,
    no_baseline: bool,
    assumptions: tuple[str, ...],
) -> None:
    """
    What pacing rules would have made of last month's conversations: ads, revenue, and who leaves.

    FILE is an export as in `kontext-rx replay`; its "user_id", where it has one, says whose a conversation is. A rule
    is written as in Python: 'skip_first(3) & every(5) & ~after(Clicked, 120)', with & | ~ and brackets. Its NAME is for
    the table; without one it is called by its text.

    How people type, look and leave, and what the ad server answers, is assumed: the report says what, and --assume
    says otherwise. Its names are those of kontext_rx.simulate.Models.
    """
    if dask is not None and workers is not None:
        raise click.UsageError("--workers and --dask exclude each other: the cluster has its own workers")
    with held_back():
        _need("simulate", ["numpy", "polars", "cloudpickle"])
        if dask is not None:
            _need("dask", ["distributed"])
        from .assumptions import assumed
        from .simulate import SimulateJob, held_against, named_rules, simulate_export

    if baseline is not None and no_baseline:
        raise click.UsageError("--baseline and --no-baseline exclude each other")
    try:
        named = named_rules(rules)
        models = assumed(assumptions)
        if not no_baseline:
            baseline, named = held_against(baseline, named)
    except pacing.RuleTextError as error:
        raise click.BadParameter(f"{error}", param_hint="--rule") from None
    except CommandError as error:
        raise click.UsageError(str(error)) from None
    job = SimulateJob(
        paths=files,
        rules=named,
        baseline=baseline,
        models=models,
        engine=engine,
        seeds=seeds,
        workers=workers,
        dask=dask,
        out=out,
        as_json=as_json,
        limit=limit,
    )
    try:
        sys.exit(simulate_export(job, Screen()))
    except CommandError as error:
        raise click.ClickException(str(error)) from error


def _need(extra: str, modules: Sequence[str]) -> None:
    """Raise an error that names the cure when a module of an *extra* is not installed."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            extras = "cli,simulate" if extra == "simulate" else f"cli,simulate,{extra}"
            print(
                f"kontext-rx simulate needs {name}, which is not installed: pip install 'kontext-rx[{extras}]'",
                file=sys.stderr,
            )
            sys.exit(2)


def _model(name: str | None, url: str | None) -> ChatModel | None:
    """The chat model that was asked for. The environment counts only then: nothing leaves a machine by accident."""
    if name is None:
        if url is not None:
            raise click.UsageError("--model-url needs --model NAME")
        return None
    url = url or os.environ.get("OPENAI_BASE_URL")
    if not url:
        raise click.UsageError("--model needs --model-url URL, or OPENAI_BASE_URL in the environment")
    return ChatModel(name, _web_address(url, "--model-url"), os.environ.get("OPENAI_API_KEY"))


def _web_address(given: str, option: str) -> str:
    try:
        return server_url(given)
    except kx.InvalidOptionError as error:
        raise click.BadParameter(f"{given!r} cannot be used: {error.wanted}", param_hint=option) from None


def _token(given: str) -> str:
    if not given.strip() or not given.isprintable():
        raise click.BadParameter("give one line of printable text", param_hint="--publisher-token")
    return given
