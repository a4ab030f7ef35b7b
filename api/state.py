"""What an API process holds while it runs, made in one place."""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Scope

from api.decoding import Decoder
from api.doors.statistics import VersionStatistics
from api.enqueue import Enqueuer
from api.jobs import Jobs
from api.replies import Replies
from api.singles import Singles
from api.verbose import Verbose
from api.workers import Workers
from shared.connection import Client, api_client
from shared.dataset import Split, find_mnist_dir, load_split
from shared.errors import ModelError, NotFound
from shared.registry import ModelVersion, load_version
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    client: Client
    test_set: Split
    default_model: ModelVersion
    replies: Replies
    singles: Singles
    jobs: Jobs
    workers: Workers
    verbose: Verbose
    decoder: Decoder
    statistics: dict[str, VersionStatistics] = field(default_factory=dict)  # of the v2 door, by `name@version`

    def resolve(self, ref: str | None) -> str:
        """`name@version` of `?model=`, or of the default model. Raises NotFound."""
        if ref is None:
            return self.default_model.ref
        try:
            return load_version(self.settings.models_dir, ref).ref
        except ModelError as error:
            raise NotFound(str(error)) from None


def make_state(settings: Settings) -> State:
    """Reads the dataset and the registry; connects to nothing yet.

    Raises DatasetError or ModelError when the service could not be served.
    """
    client = api_client(settings)
    replies = Replies(client)
    enqueuer = Enqueuer(client, settings)
    return State(
        settings=settings,
        client=client,
        test_set=load_split("test", find_mnist_dir(settings.mnist_dir)),
        default_model=load_version(settings.models_dir, settings.default_model),
        replies=replies,
        singles=Singles(client, enqueuer, replies, settings),
        jobs=Jobs(client, enqueuer, replies, settings),
        workers=Workers(client, enqueuer, settings.worker_ttl_s),
        verbose=Verbose(client, settings.models_dir),
        decoder=Decoder(),
    )


def state_of(connection: HTTPConnection | Scope) -> State:
    app = connection["app"]
    state: State = app.state.service
    return state
