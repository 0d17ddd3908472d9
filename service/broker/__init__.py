"""Messages: names of tasks and ids, through Celery; they may be lost or come twice."""
