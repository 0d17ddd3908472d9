"""`/`: what this server is, and where to go from here."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from service.http.accept import wants_page
from service.http.problem_schema import responses
from service.http.query import refuse_unknown_query

router = APIRouter(
    tags=["health"], dependencies=[Depends(refuse_unknown_query)], responses=responses(422)
)


class Root(BaseModel):
    """The paths of this server that need no key, and those that need one."""

    name: str = Field(default="narrows", description="The name of this service")
    documentation: str = Field(default="/docs", description="A page that describes the API")
    description: str = Field(
        default="/openapi.json", description="The description of the API for programs (OpenAPI)"
    )
    health: list[str] = Field(
        default=["/livez", "/readyz"], description="Whether the server runs, and is ready"
    )
    resources: list[str] = Field(
        default=["/v1/models", "/v1/datasets", "/v1/uploads", "/v1/analyses", "/v1/workers"],
        description="The lists of the API; they need an API key",
    )


@router.get(
    "/",
    response_model=Root,
    responses={303: {"description": "To the pages, where `Accept` names text/html"}},
)
def read_root(request: Request, response: Response) -> Root | Response:
    """Say what this server is, and where its documentation is; browsers go on to the pages."""
    if wants_page(request.headers):
        return RedirectResponse("/analyses", 303, {"Vary": "Accept"})
    response.headers["Vary"] = "Accept"
    return Root()
