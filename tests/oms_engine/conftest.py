from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.oms_engine.desk import Desk

settings.register_profile("fast", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
if settings.get_current_profile_name() == "default":  # pytest --hypothesis-profile=thorough asks for more
    settings.load_profile("fast")


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.engine.close()
