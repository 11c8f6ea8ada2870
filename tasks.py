from invoke.tasks import task
