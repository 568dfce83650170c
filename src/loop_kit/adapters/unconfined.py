"""A run whose programs have no room."""

from loop_kit.ports import Confinement


class Unconfined:
    """Stands where no room is chosen."""

    def confinement(self) -> Confinement | None:
        """Nothing to say."""
        return None
