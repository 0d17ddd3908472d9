from service.database.tables import Model
from service.uploads.kind import Kind

MODELS = Kind(Model, noun="model", prefix="mdl", task="inspect_model")
