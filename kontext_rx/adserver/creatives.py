"""The creatives: a small set of invented ads, one per topic and a few for when nothing fits."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

__all__ = ["CREATIVES", "KINDS", "Creative", "Kind"]

Kind = Literal["text", "image", "video", "banner", "interstitial", "rewarded"]
"""What a creative is shown as."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind."""


class Creative(msgspec.Struct, frozen=True, kw_only=True):
    """One ad, made up: no such brand exists."""

    id: str
    """Its stable name."""
    topic: str
    """What it is about; `generic` fits any conversation."""
    kind: Kind
    """What it is shown as."""
    brand: str
    """Whose ad it is."""
    text: str
    """What it says."""
    keywords: frozenset[str] = frozenset()
    """The words, singular and in lower case, that call for it."""
    revenue: float
    """What a view of it earns, in US dollars."""
    hue: int = 250
    """The brand's colour: an angle in degrees on the OKLCH wheel, where 250 is blue."""
    action: str = "Learn more"
    """What its link says."""
    link: Literal["relative", "absolute"] = "relative"
    """How a click names the address it leads to; both are on this server."""
    reward: str = ""
    """What watching it to the end gives, where it is `rewarded`."""

    @property
    def impression_trigger(self) -> Literal["immediate", "component"]:
        """When it counts as shown: `component` when it opens in a modal."""
        return "component" if self.kind in ("interstitial", "rewarded") else "immediate"

    @property
    def creative_type(self) -> Literal["display", "video"]:
        """What viewability is measured as: the `om.creativeType` of the bid."""
        return "video" if self.kind in ("video", "rewarded") else "display"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CREATIVES: tuple[Creative, ...] = (
    Creative(
        id="restaurants",
        topic="restaurants",
        kind="image",
        brand="Saltmarsh Table",
        text="Saltmarsh Table keeps a seat by the window for you. Book tonight, pay after dessert.",
        keywords=_words(
            "restaurant dinner lunch brunch breakfast food eat hungry meal menu cuisine dish chef table "
            "vegan vegetarian pizza sushi burger taco pasta curry noodle steak seafood italian mexican thai "
            "chinese indian reservation"
        ),
        revenue=0.031,
        hue=200,
        action="Book a table",
    ),
    Creative(
        id="coffee",
        topic="coffee",
        kind="text",
        brand="Second Kettle",
        text="Second Kettle roasts on Tuesday and is in your cup on Thursday. First bag half price.",
        keywords=_words("coffee espresso latte cappuccino mocha americano barista cafe tea bean brew"),
        revenue=0.014,
        hue=50,
        action="Get the first bag",
        link="absolute",
    ),
    Creative(
        id="flights",
        topic="flights",
        kind="banner",
        brand="Petrel Air",
        text="Petrel Air: one fare, one bag, no surprises at the gate.",
        keywords=_words("flight fly flying airline airplane plane airport layover nonstop economy boarding"),
        revenue=0.044,
        hue=240,
        action="See fares",
    ),
    Creative(
        id="hotels",
        topic="hotels",
        kind="image",
        brand="Lantern Rooms",
        text="Lantern Rooms: small hotels with late breakfasts. Free cancellation until noon.",
        keywords=_words("hotel motel hostel room stay suite lodging accommodation checkin resort bnb"),
        revenue=0.039,
        hue=300,
        action="Find a room",
        link="absolute",
    ),
    Creative(
        id="travel",
        topic="travel",
        kind="interstitial",
        brand="Wend",
        text="Wend plans the whole trip: trains, beds and the good bakery on the way.",
        keywords=_words(
            "travel trip vacation holiday tour tourist itinerary destination visit sightseeing beach museum "
            "train bus journey passport"
        ),
        revenue=0.036,
        hue=155,
        action="Plan a trip",
    ),
    Creative(
        id="cars",
        topic="cars",
        kind="video",
        brand="Otterway",
        text="Otterway rents by the hour, with the charging paid.",
        keywords=_words(
            "car auto automobile drive driving rental rent engine tire brake mechanic garage vehicle suv "
            "hatchback truck taxi cab ride uber lyft"
        ),
        revenue=0.041,
        hue=220,
        action="Find a car",
    ),
    Creative(
        id="music",
        topic="music",
        kind="text",
        brand="Hushed Radio",
        text="Hushed Radio plays whole albums, in order. A month is on us.",
        keywords=_words("music song album artist band playlist listen singer guitar piano jazz rock"),
        revenue=0.017,
        hue=330,
        action="Listen",
    ),
    Creative(
        id="movies",
        topic="movies",
        kind="video",
        brand="The Second Reel",
        text="The Second Reel: tonight's film, your sofa, no autoplay.",
        keywords=_words(
            "movie film cinema theater theatre showtime actor actress director comedy thriller horror "
            "watch stream streaming subtitle screening"
        ),
        revenue=0.027,
        hue=285,
        action="Watch tonight",
        link="absolute",
    ),
    Creative(
        id="events",
        topic="events",
        kind="banner",
        brand="Front Row Friday",
        text="Front Row Friday: what is on near you, and two tickets for one.",
        keywords=_words(
            "event concert festival game match performance stadium venue gig sport baseball basketball "
            "football soccer hockey"
        ),
        revenue=0.029,
        hue=20,
        action="Get tickets",
        link="absolute",
    ),
    Creative(
        id="weather-gear",
        topic="weather gear",
        kind="image",
        brand="Drizzle & Daughters",
        text="Drizzle & Daughters make coats that weigh less than the weather.",
        keywords=_words(
            "weather rain raining rainy snow forecast umbrella jacket coat boot tent camping hike "
            "wind windy storm temperature humidity sunny"
        ),
        revenue=0.022,
        hue=255,
        action="See the coats",
    ),
    Creative(
        id="finance",
        topic="finance",
        kind="text",
        brand="Plain Ledger",
        text="Plain Ledger: an account that tells you what it costs. It costs nothing.",
        keywords=_words(
            "bank account money balance transfer saving checking loan credit mortgage invest investment "
            "stock tax insurance debt"
        ),
        revenue=0.052,
        hue=170,
        action="Open an account",
    ),
    Creative(
        id="tech",
        topic="tech",
        kind="rewarded",
        brand="Smallest Cloud",
        text="Smallest Cloud runs your side project for the price of a sandwich. Watch, and get a month.",
        keywords=_words(
            "computer laptop phone software code coding program programming python javascript app server "
            "database api gadget tablet keyboard headphone wifi"
        ),
        revenue=0.034,
        hue=265,
        action="Start a project",
        reward="a free month of hosting",
    ),
    Creative(
        id="generic-notebook",
        topic="generic",
        kind="text",
        brand="Margin Notes",
        text="Margin Notes: a notebook that lies flat. That is all it does.",
        revenue=0.008,
        hue=80,
        action="Have a look",
    ),
    Creative(
        id="generic-plants",
        topic="generic",
        kind="image",
        brand="Fern by Post",
        text="Fern by Post sends a plant that forgives you.",
        revenue=0.009,
        hue=145,
        action="Send a plant",
        link="absolute",
    ),
)
"""Every creative; those without keywords are for conversations that no keyword fits."""
