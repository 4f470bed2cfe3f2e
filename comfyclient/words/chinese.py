"""How Chinese says what a trip has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..trip.published import PublishedLeg, PublishedTrip
from ..trip.records import Condition, Terrain
from ..trip.sun import PartOfDay, Season
from .facts import CLIMB_M, HIGH_M, Phrases, first_and_last, regained_km

_NUMBERS = "零一两三四五六七八九十"
_ORDINALS = "零一二三四五六七八九十"
_SEASONS: Mapping[Season, str] = {
    "spring": "春日",
    "summer": "夏日",
    "autumn": "秋日",
    "winter": "冬日",
}
_LANDS: Mapping[Terrain, str] = {
    "lake": "湖边",
    "hills": "丘陵间",
    "mountains": "山里",
    "coast": "海边",
    "city": "城里",
    "desert": "大漠里",
    "forest": "林间",
}
_SKIES: Mapping[Condition, str] = {
    "clear": "晴",
    "cloudy": "多云",
    "overcast": "阴",
    "rain": "雨",
    "snow": "雪",
    "fog": "雾",
    "wind": "有风",
    "storm": "雷雨",
}
_SCENES: Mapping[Terrain, str] = {
    "lake": "开阔的湖面与远山",
    "hills": "起伏的丘陵",
    "mountains": "层叠的山岭",
    "coast": "海岸与海面",
    "plain": "开阔的公路与地平线",
    "city": "城市天际线",
    "desert": "沙丘与长空",
    "forest": "林中公路",
}
_LIGHTS: Mapping[PartOfDay, str] = {
    "dawn": "清晨的低光",
    "day": "明亮的日光",
    "dusk": "黄昏的暖光",
    "night": "夜色与车灯",
}


class _Chinese:
    title_limit = 10

    def title_at(self, trip: PublishedTrip, name: str) -> str:
        if trip.part_of_day == "night":
            return f"夜行{name}"
        if trip.part_of_day == "dusk":
            return f"{name}的黄昏"
        if trip.part_of_day == "dawn":
            return f"{name}的清晨"
        if trip.days > 1:
            return f"{name}的{_count(trip.days)}天"
        return f"{_SEASONS[trip.season]}{name}" if trip.season else f"去{name}"

    def title(self, trip: PublishedTrip) -> str:
        land = _LANDS.get(trip.terrain)
        if trip.part_of_day == "night":
            return "夜色里的一程" if land is None else f"{land}的一段夜路"
        if land is not None and trip.days > 1:
            return f"{land}的{_count(trip.days)}天"
        if trip.season is None:
            return "在路上" if land is None else f"{land}的一程"
        return (
            f"{_SEASONS[trip.season]}一程"
            if land is None
            else (f"{_SEASONS[trip.season]}，{land}")
        )

    def dates(self, trip: PublishedTrip) -> str:
        first, last = first_and_last(trip)
        text = f"{first.year}年{first.month}月{first.day}日"
        if last == first:
            return text
        if last.year != first.year:
            return f"{text}—{last.year}年{last.month}月{last.day}日"
        month = "" if last.month == first.month else f"{last.month}月"
        return f"{text}—{month}{last.day}日"

    def opening(self, trip: PublishedTrip) -> str | None:
        if not trip.distance_km:
            return None if not trip.duration_h else f"路上 {_time(trip.duration_h)}。"
        way = f"{trip.distance_km:.0f} 公里"
        if trip.days > 1:
            return f"{_count(trip.days)}天，{way}。"
        if trip.part_of_day == "night":
            way += "夜路"
        return (
            f"{way}。" if not trip.duration_h else f"{way}，{_time(trip.duration_h)}。"
        )

    def day(self, leg: PublishedLeg) -> str:
        number = _ORDINALS[leg.day] if leg.day <= 10 else f" {leg.day} "
        return f"第{number}天：{'、'.join(leg.stops[:4])}"

    def stops(self, names: Sequence[str]) -> str:
        return f"经过{'、'.join(names)}。"

    def closing(self, trip: PublishedTrip) -> Iterator[str]:
        high = trip.highest
        if high is not None and high.altitude_m >= HIGH_M:
            where = "" if high.near is None else f"，在{high.near}"
            yield f"最高处海拔 {high.altitude_m:.0f} 米{where}。"
        yield from self._energy(trip)
        if trip.companions is not None:
            people = trip.companions + 1
            yield "一个人的路。" if people == 1 else f"{_count(people)}个人同行。"
        climb = trip.figures.climb_m
        if climb is not None and climb >= CLIMB_M:
            yield f"累计爬升 {climb:.0f} 米。"
        yield from self._sky(trip)

    def _energy(self, trip: PublishedTrip) -> Iterator[str]:
        figures = trip.figures
        if figures.recuperated_kwh is not None and figures.recuperated_kwh >= 1:
            km = regained_km(trip)
            worth = "" if not km else f"，够走约 {km} 公里"
            yield f"动能回收 {figures.recuperated_kwh:.0f} 度电{worth}。"
        if figures.charging_stops:
            yield f"途中充电 {figures.charging_stops} 次。"
        elif figures.charging_stops == 0 and trip.vehicle.powertrain == "electric":
            yield "一次电也没充。"

    def _sky(self, trip: PublishedTrip) -> Iterator[str]:
        if trip.weather is not None:
            sky = trip.weather.condition
            words = [] if sky is None else [_SKIES[sky]]
            low, high = trip.weather.low_c, trip.weather.high_c
            if low is not None and high is not None:
                words.append(f"{low:.0f} 到 {high:.0f} 度")
            if words:
                yield f"{'，'.join(words)}。"
        season = "" if trip.season is None else f"{_SEASONS[trip.season]}，"
        told: Mapping[PartOfDay, str] = {
            "dawn": "多半是清晨的光。",
            "day": "多半在白天。",
            "dusk": "多半是黄昏的光。",
            "night": "多半在夜里。",
        }
        yield season + told[trip.part_of_day]
        first, _ = first_and_last(trip)
        yield f"出发那天是星期{'一二三四五六日'[first.weekday()]}。"

    def prompt(self, trip: PublishedTrip) -> str:
        parts = ["旅行海报插画", _SCENES[trip.terrain]]
        if trip.season is not None:
            parts.append(_SEASONS[trip.season])
        parts.append(_LIGHTS[trip.part_of_day])
        if trip.weather is not None and trip.weather.condition is not None:
            parts.append(f"天气：{_SKIES[trip.weather.condition]}")
        return "，".join([*parts, "远处一辆小小的汽车", "构图留白", "画面无文字无标志"])


def _count(number: int) -> str:
    return _NUMBERS[number] if number <= 10 else f" {number} "


def _time(hours: float) -> str:
    return f"{hours:g} 小时" if hours >= 1 else f"{hours * 60:.0f} 分钟"


CHINESE: Phrases = _Chinese()
