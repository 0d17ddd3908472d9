"""Messages through Celery, which wake workers. They may get lost or arrive twice."""
