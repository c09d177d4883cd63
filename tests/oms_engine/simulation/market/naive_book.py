"""What should a book do? The same rules told in the simplest way: lists that are searched from end to end."""

from dataclasses import dataclass

Told = tuple[str, ...]


@dataclass
class Naive:
    """An order, as plainly as can be."""

    name: str
    buys: bool
    quantity: int
    limit: int | None
    stop: int | None
    keeps: bool
    whole: bool
    got: int = 0
    turn: int = 0
    waits: bool = False

    @property
    def open(self) -> int:
        return self.quantity - self.got

    def takes(self, price: int) -> bool:
        return self.limit is None or (self.limit >= price if self.buys else self.limit <= price)


class NaiveBook:
    """Every order that was ever entered, in one list."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.turn = 0
        self.orders: list[Naive] = []

    def enter(self, order: Naive) -> list[Told]:
        if order not in self.orders:
            self.orders.append(order)
        told: list[Told] = []
        self._take(order, told)
        while (next_one := self._triggered()) is not None:
            next_one.waits = False
            next_one.stop = None
            self._take(next_one, told)
        return told

    def offers(self, *, buys: bool) -> list[Naive]:
        """Those that wait on one side, in their order."""
        found = [each for each in self.orders if each.waits and each.stop is None and each.buys is buys]
        return sorted(found, key=lambda each: (-(each.limit or 0) if buys else each.limit or 0, each.turn))

    def _take(self, order: Naive, told: list[Told]) -> None:
        if order.stop is not None and not self._reached(order):
            self._wait(order)
            return
        order.stop = None
        others = [each for each in self.offers(buys=not order.buys) if order.takes(each.limit or 0)]
        if not order.whole or sum(each.open for each in others) >= order.open:
            for other in others:
                self._trade(order, other, told)
        if not order.open:
            return
        if order.keeps and order.limit is not None and not order.whole:
            self._wait(order)
        else:
            told.append(("lapsed", order.name))

    def _trade(self, order: Naive, other: Naive, told: list[Told]) -> None:
        quantity = min(order.open, other.open)
        if not quantity:
            return
        order.got += quantity
        other.got += quantity
        other.waits = bool(other.open)
        self.last = other.limit or 0
        told.append(("trade", other.name, order.name, str(other.limit), str(quantity)))

    def _wait(self, order: Naive) -> None:
        self.turn += 1
        order.turn, order.waits = self.turn, True

    def _reached(self, order: Naive) -> bool:
        assert order.stop is not None
        return self.last >= order.stop if order.buys else self.last <= order.stop

    def _triggered(self) -> Naive | None:
        found = [each for each in self.orders if each.waits and each.stop is not None and self._reached(each)]
        buyers = sorted((each for each in found if each.buys), key=lambda each: (each.stop, each.turn))
        sellers = sorted((each for each in found if not each.buys), key=lambda each: (-(each.stop or 0), each.turn))
        return next(iter(buyers + sellers), None)
