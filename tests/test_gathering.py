"""Tests of waiting for what comes in pieces."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

from asgitest import _gathering
from asgitest._gathering import Gathering
from tests.base import CleanTestCase


class GatheringTest(CleanTestCase):
    """A loop whose turns the test takes, and pieces that come as it says."""

    def setUp(self) -> None:
        """Begin with no piece."""
        super().setUp()
        # However busy the machine is.
        self.enter_patch(mock.patch.object(_gathering, "_LONGEST", 60))
        self.pieces: list[str] = []
        self.is_enough = False
        self.ready: list[Callable[[], object]] = []

    def gathering(self) -> Gathering:
        """Return what waits for pieces."""
        return Gathering(
            lambda: bool(self.pieces),
            lambda: list(self.pieces),
            lambda watch: watch.look(),
            count=lambda: len(self.pieces),
            is_enough=lambda: self.is_enough,
            post=lambda function, *args: self.ready.append(lambda: function(*args)),
        )

    def take_turn(self) -> None:
        """Run what was posted."""
        ready, self.ready = self.ready, []
        for function in ready:
            function()

    def test_nothing(self) -> None:
        """As long as there is nothing, nobody is answered, and no turn is waited for."""
        gathering = self.gathering()
        gathering.begin()

        self.assertFalse(gathering.answer.given)
        self.assertEqual([], self.ready)

    def test_one_piece(self) -> None:
        """A piece that none follows is given after two turns."""
        gathering = self.gathering()
        self.pieces.append("one")
        gathering.begin()
        self.take_turn()
        self.assertFalse(gathering.look())
        self.take_turn()

        self.assertTrue(gathering.look())
        self.assertEqual((None, ["one"]), gathering.answer.value)

    def test_pieces_in_a_row(self) -> None:
        """As long as every second turn brings a piece, they are waited for."""
        gathering = self.gathering()
        self.pieces.append("0")
        gathering.begin()
        for number in range(1, 5):
            self.take_turn()
            self.pieces.append(str(number))
            self.take_turn()
            self.assertFalse(gathering.look())
        self.take_turn()
        self.take_turn()

        self.assertEqual((None, ["0", "1", "2", "3", "4"]), gathering.answer.value)
        self.assertEqual([], self.ready)

    def test_enough_at_once(self) -> None:
        """Where there is no point in waiting for more, no turn is waited for."""
        gathering = self.gathering()
        self.pieces.append("one")
        self.is_enough = True
        gathering.begin()

        self.assertTrue(gathering.answer.given)
        self.assertEqual([], self.ready)

    def test_enough_meanwhile(self) -> None:
        """What is enough is given at once; the turns that come then change nothing."""
        gathering = self.gathering()
        self.pieces.append("one")
        gathering.begin()
        self.pieces.append("two")
        self.is_enough = True
        self.assertTrue(gathering.look())
        self.pieces.append("three")
        self.take_turn()

        self.assertEqual((None, ["one", "two"]), gathering.answer.value)
        self.assertEqual([], self.ready)

    def test_long_row(self) -> None:
        """A piece waits for later ones for a short time only."""
        self.enter_patch(mock.patch.object(_gathering, "_LONGEST", 0))
        gathering = self.gathering()
        self.pieces.append("one")
        gathering.begin()
        self.pieces.append("two")
        gathering.look()
        self.take_turn()
        self.take_turn()

        self.assertEqual((None, ["one", "two"]), gathering.answer.value)

    def test_given_up(self) -> None:
        """Of a wait that is cancelled, no turn is waited for any more."""
        gathering = self.gathering()
        self.pieces.append("one")
        gathering.begin()
        gathering.cancel()
        self.take_turn()

        self.assertTrue(gathering.look())
        self.assertEqual([], self.ready)
