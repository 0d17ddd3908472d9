"""`python -m tests.support.faults.stuck_api PORT`: an API that stops between commit and send."""

import sys
import time

import uvicorn

from service.app import create_app
from service.broker.celery_app import Broker

if __name__ == "__main__":
    setattr(Broker, "ring", lambda *_: time.sleep(3600))  # noqa: B010 - mypy minds a plain one
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_config=None)
