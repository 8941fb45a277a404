"""Events that arrive twice are done once: powertools' idempotency over the platform's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambda_shared.errors import TransientError

Work = Callable[[], dict[str, Any]]
REMEMBER_SECONDS = 24 * 60 * 60  # EventBridge gives up after 24 hours


def once(table_name: str, key: str, context: Any, work: Work) -> dict[str, Any]:
    """Do the work unless it was done for this key; answers the first answer. A failure may be tried again.

    The key is an event's own id, so it is content and not delivery that counts.
    """
    from aws_lambda_powertools.utilities.idempotency import (
        DynamoDBPersistenceLayer,
        IdempotencyConfig,
        idempotent_function,
    )
    from aws_lambda_powertools.utilities.idempotency.exceptions import (
        IdempotencyAlreadyInProgressError,
        IdempotencyPersistenceLayerError,
    )

    config = IdempotencyConfig(expires_after_seconds=REMEMBER_SECONDS, raise_on_no_idempotency_key=True)
    if context is not None:
        config.register_lambda_context(context)  # an invocation that died does not block the next one for ever
    layer = DynamoDBPersistenceLayer(table_name=table_name)

    def run(event_id: str) -> dict[str, Any]:
        del event_id
        return work()

    decorate: Any = idempotent_function(
        run, data_keyword_argument="event_id", persistence_store=layer, config=config, key_prefix=f"{work.__module__}"
    )
    try:
        answer: dict[str, Any] = decorate(event_id=key)
    except (IdempotencyAlreadyInProgressError, IdempotencyPersistenceLayerError) as error:
        raise TransientError(type(error).__name__, "the event is in work or its record is unreadable") from None
    return answer
