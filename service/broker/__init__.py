"""Messages through Celery: task names and ids. They may get lost or arrive twice."""
