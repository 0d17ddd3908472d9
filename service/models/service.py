from service.database.tables import Model
from service.uploads.service import Kind

MODELS = Kind(Model, noun="model", prefix="mdl", task="inspect_model")
