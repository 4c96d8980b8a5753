"""Plans and their versions over HTTP. No logic: each route is one call of the service."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field, SkipValidation

from hub.principal import Principal
from modules.patrol.planbook import InForce, Preview, said
from modules.patrol.plans import CheckpointSpec, PlanSpec, RouteSpec
from modules.patrol.service import Patrols, plans_json


def principal_of(request: Request) -> Principal:
    """Whom the API found behind the request before it let it in here."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


Who = Annotated[Principal, Depends(principal_of)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="of a version")]
Other = Annotated[int, Query(ge=0, le=2**31 - 1, description="number of a version; 0: what the file says now")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="`digest` of what the change was made from")]
Note = Annotated[str, Field(max_length=200)]


class GivenPlans(BaseModel, extra="forbid"):
    """As in a patrol file. What is wrong is told by field, the same as `hub check` does."""

    checkpoints: SkipValidation[list[CheckpointSpec]]  # looked at by the service, with the site
    routes: SkipValidation[list[RouteSpec]]
    plans: SkipValidation[list[PlanSpec]]

    def given(self) -> dict[str, Any]:
        return {"checkpoints": self.checkpoints, "routes": self.routes, "plans": self.plans}


class NewVersion(BaseModel, extra="forbid"):
    base: Digest
    note: Note = ""


class SavedPlans(GivenPlans, NewVersion):
    """Plans, what they were made from, and why."""


class Version(BaseModel):
    """`source`: `page` or `api` for one that was made there, `file` where the file was followed again."""

    number: int
    digest: str
    source: Literal["file", "page", "api"]
    author: str
    at: datetime
    note: str


class FieldProblem(BaseModel):
    """One thing wrong; `field` such as `plans[0].route`."""

    field: str
    found: str
    expected: str
    suggestion: str | None
    message: dict[Literal["zh", "en"], str]


class PlanPreview(BaseModel):
    """`rounds`: those of `since` to `until` that change, the first 1000; `counts` of all. `blind`: checkpoints no plan
    covers, lost by the change (`newly`, `removed`) or as before (`still`). Empty where there are `problems`."""

    problems: list[FieldProblem]
    since: datetime
    until: datetime
    counts: dict[Literal["added", "gone", "moved", "changed"], int]
    rounds: list[dict[Literal["sort", "plan", "begins", "was"], Any]]
    blind: list[dict[Literal["sort", "checkpoint"], str]]
    diff: str


def add_plans(router: APIRouter, patrols: Patrols) -> None:
    """The plans in force and what is over the file."""
    book = patrols.book

    @router.get("/plans")
    async def list_plans(who: Who) -> dict[str, Any]:
        """Checkpoints, routes and plans in force, written as in the patrol file, and where they come from; plates are
        masked without the right `work`."""
        return _in_force_json(who, book.in_force(who))

    @router.put("/plans")
    async def save_plans(who: Who, body: SavedPlans) -> dict[str, Any]:
        """Lay these plans over the file: in force for every round that has not begun (`configure`). 422 `invalid_plans`
        with the fields; 409 `newer_plans` when something else came into force since `base`."""
        return _in_force_json(who, await book.save(who, body.given(), body.base, body.note, "api"))

    @router.post("/plans/preview")
    async def preview_plans(who: Who, body: GivenPlans) -> PlanPreview:
        """What these plans would change; nothing is saved (`configure`)."""
        return _preview_out(await book.preview(who, body.given()))

    @router.get("/plans.yaml", response_class=Response, responses={200: {"content": {"application/yaml": {}}}})
    async def download_plans(who: Who) -> Response:
        """What is in force as a patrol file, for version control (`configure`)."""
        return _file(await book.yaml(who), "patrols")

    @router.post("/plans/follow-file")
    async def follow_file(who: Who, body: NewVersion) -> dict[str, Any]:
        """Take away what is over the file (`configure`). 409 where there is no file or nothing over it."""
        return _in_force_json(who, await book.follow_file(who, body.base, body.note))

    @router.get("/plans/versions")
    async def list_versions(who: Who) -> list[Version]:
        """The newest 500 versions, newest first."""
        return [Version.model_validate(row) for row in await book.versions(who)]

    @router.get("/plans/versions/{number}.yaml", response_class=Response,
                responses={200: {"content": {"application/yaml": {}}}})  # fmt: skip
    async def download_version(who: Who, number: Number) -> Response:
        """One version as a patrol file (`configure`)."""
        return _file(await book.yaml(who, number), f"patrols-{number}")

    @router.get("/plans/versions/{number}")
    async def show_version(who: Who, number: Number) -> dict[str, Any]:
        """One version with its content as `file`."""
        row = await book.version(who, number)
        return {**Version.model_validate(row).model_dump(mode="json"), "file": row["file"]}

    @router.get("/plans/versions/{number}/diff")
    async def diff_versions(who: Who, number: Number, other: Other) -> dict[str, str]:
        """From version `other` to this one, as a unified diff of the files they would be."""
        return {"diff": await book.diff(who, other, number)}

    @router.post("/plans/versions/{number}/restore")
    async def restore_version(who: Who, number: Number, body: NewVersion) -> dict[str, Any]:
        """Put an old version in force again, as a new one (`configure`). Refused as a save is."""
        return _in_force_json(who, await book.restore(who, number, body.base, body.note, "api"))


def _file(text: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}.yaml"'
    return Response(text, media_type="application/yaml", headers={"Content-Disposition": disposition})


def _in_force_json(who: Principal, one: InForce) -> dict[str, Any]:
    about = {
        "digest": one.digest, "source": one.source, "version": one.number, "author": one.author or None,
        "at": one.at.isoformat() if one.at else None, "note": one.note, "filed": one.filed,
    }  # fmt: skip
    return {**plans_json(who, one.file), "in_force": about}


def _preview_out(one: Preview) -> PlanPreview:
    sorts: tuple[Literal["added", "gone", "moved", "changed"], ...] = ("added", "gone", "moved", "changed")
    return PlanPreview(
        problems=[
            FieldProblem(field=each.field, found=each.found, expected=each.expected, suggestion=each.suggestion,
                         message={"zh": said(each, "zh"), "en": said(each)})
            for each in one.problems
        ],
        since=one.since, until=one.until,
        counts={sort: sum(each.sort == sort for each in one.rounds) for sort in sorts},
        rounds=[
            {"sort": each.sort, "plan": each.plan, "begins": each.begins, "was": each.was} for each in one.rounds[:1000]
        ],
        blind=[{"sort": each.sort, "checkpoint": each.checkpoint.id} for each in one.blind], diff=one.diff,
    )  # fmt: skip
