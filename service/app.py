"""The application: `uvicorn --factory service.app:create_app`."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service import health, metrics, root
from service.admin import audit, keys, owners, retention
from service.analyses import artifacts, comparison, follow_up_endpoints, report, results
from service.analyses import endpoints as analyses
from service.broker.celery_app import Broker, make_celery
from service.broker.outbox import Outbox
from service.database.engine import close, make_engine
from service.datasets import endpoints as datasets
from service.http.dependencies import Services
from service.http.head import HeadAsGet
from service.http.middleware import RequestContext
from service.http.places import Places
from service.http.problem_handlers import add_problem_handlers
from service.http.problem_schema import add_problem_schema
from service.keys.secrets import server_secret
from service.keys.uses import Uses
from service.metrics import Metrics
from service.models import endpoints as models
from service.quotas.rate import buckets
from service.retention.collecting import Collecting
from service.settings import Settings
from service.startup import checked_settings
from service.storage.handover import apis_storage
from service.trials import endpoints as trials
from service.trials import results as trial_results
from service.upload_sessions import endpoints as upload_sessions
from service.web.pages import PAGES
from service.web.problem_pages import ProblemPages
from service.webhooks import endpoints as webhooks
from service.webhooks import messages
from service.webhooks.sender import Sender
from service.workers import endpoints as workers

USES_SECONDS = 60
DESCRIPTION = "Upload a trained network and a dataset; get back which layers are bottlenecks."


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; it opens the database, the broker and the storage at startup."""
    app = FastAPIOffline(
        title="Narrows",
        description=DESCRIPTION,
        version="1",
        lifespan=_lifespan,
        webhooks=messages.router,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.closing = threading.Event()
    app.add_middleware(ProblemPages)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestContext, shown=ProblemPages)
    add_problem_handlers(app)
    add_problem_schema(app)
    for resource in (
        *PAGES,
        root,
        health,
        metrics,
        models,
        datasets,
        upload_sessions,
        analyses,
        results,
        report,
        comparison,
        artifacts,
        follow_up_endpoints,
        trials,
        trial_results,
        workers,
        keys,
        owners,
        retention,
        audit,
        webhooks,
    ):
        app.include_router(resource.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.services = services = _open(
        app.state.settings or checked_settings("api")[0], app.state.closing
    )
    async with _without_requests(services):
        yield
    await run_in_threadpool(_write_uses, services)
    await run_in_threadpool(services.outbox.close)
    services.broker.close()
    close(services.engine)


@asynccontextmanager
async def _without_requests(services: Services) -> AsyncIterator[None]:
    """Do what no request asks for: collect what is due, send webhooks, write uses of keys."""
    tasks = [
        asyncio.create_task(_keep_writing_uses(services)),
        asyncio.create_task(Sender(services).run()),
    ]
    collecting = Collecting(services.settings, services.engine, services.storage)
    collecting.start()
    yield
    await run_in_threadpool(collecting.stop)
    for task in tasks:
        task.cancel()


async def _keep_writing_uses(services: Services) -> None:
    while True:
        await asyncio.sleep(USES_SECONDS)
        await run_in_threadpool(_write_uses, services)


def _write_uses(services: Services) -> None:
    with (
        suppress(SQLAlchemyError),
        services.transaction() as session,
    ):  # not worth an error
        services.uses.write(session)


def _open(settings: Settings, closing: threading.Event) -> Services:
    broker = Broker(make_celery(settings))
    return Services(
        settings=settings,
        engine=make_engine(settings.resolved_database_url),
        storage=apis_storage(settings),
        broker=broker,
        outbox=Outbox(broker),
        secret=server_secret(settings),
        uses=Uses(),
        places=Places(settings),
        buckets=buckets(settings),
        large_bodies=asyncio.Semaphore(2),
        closing=closing,
    )
