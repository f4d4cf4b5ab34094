"""Inference Recommender's jobs: Create, Describe, List, Stop, and the list of a job's steps.

What a job makes, loads and finds is engine/recommender's; what it makes is removed by recommendation_sites.py.
"""

from __future__ import annotations

import threading
from functools import partial

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import JobRun, Step
from sagelab.cloud.engine.recommender.run import RecommendationsRun
from sagelab.cloud.errors import ResourceNotFound, ServiceError
from sagelab.cloud.resources import listing, recommendation_plans, recommendation_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.compilation_jobs import CompilationJobs
from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.resources.model_packages import ModelPackages
from sagelab.cloud.resources.models import Models
from sagelab.cloud.resources.recommendation_plans import Found
from sagelab.cloud.resources.recommendation_sites import Made, Makers, RecommendationSite
from sagelab.cloud.store import Change, Document, Missing

MADE, STEPS = "Made", "Steps"  # what a job has made that is there still, and what has become of its tests
MODEL = {"ModelNameEquals": "ModelName", "ModelPackageVersionArnEquals": "ModelPackageVersionArn"}


class InferenceRecommendationsJobs(Jobs):
    """The family of recommendations jobs of one local cloud."""

    kind = catalog.of_stem("InferenceRecommendationsJob")
    needs = (Endpoints, EndpointConfigs, Models, ModelPackages, CompilationJobs)
    summary = ("JobType", "RoleArn", "FailureReason")
    untold = (MADE, STEPS)

    def __init__(
        self,
        cloud: Cloud,
        endpoints: Endpoints,
        configs: EndpointConfigs,
        models: Models,
        packages: ModelPackages,
        compilations: CompilationJobs,
    ) -> None:
        self.makers = Makers(endpoints, configs, models, compilations)
        self._found = partial(Found, cloud, models, packages, endpoints, configs)
        self._sites: dict[str, RecommendationSite] = {}
        cloud.store.listen(self._on_change)
        super().__init__(cloud)
        for arn, job in self.store.with_status(self.kind.arn, *self.kind.running, *self.kind.ended):
            if job.get(MADE):
                self._tidy(arn, job)

    def check(self, call: Call) -> None:
        recommendation_rules.check(call.params, self.cloud)

    def defaults(self, params: Params) -> Params:
        return {} if "JobDescription" in params else {"JobDescription": ""}

    def make_run(self, job: Document, tags: dict[str, str]) -> RecommendationsRun:  # noqa: ARG002
        arn = job[self.kind.arn_member]
        region, account = arn.split(":")[3:5]
        wanted = recommendation_plans.read(job, self._found(f"{region}:{account}"))
        context = self.cloud.engine_context(region)

        def site(run: JobRun) -> RecommendationSite:
            client = partial(context.client_as, job["RoleArn"], "sagemaker")
            made = RecommendationSite(self.makers, f"{region}:{account}", run, client, partial(self._note, arn))
            self._sites[arn] = made
            return made

        return RecommendationsRun(wanted, site, context, lambda step: self.report(arn, step))

    def list(self, call: Call) -> Params:
        wanted = {member: call.params[name] for name, member in MODEL.items() if name in call.params}
        found = self.store.documents(self.kind.arn, call.region)
        rows = [self.row(job) for job in found if wanted.items() <= job["InputConfig"].items()]
        return listing.filtered(call, self.kind.listed, rows, self.kind.name_member)

    def row(self, job: Document) -> Params:
        config = job["InputConfig"]
        found = super().row(job) | {"JobDescription": job["JobDescription"]}
        found |= {name: config[name] for name in MODEL.values() if name in config}
        payload = config.get("ContainerConfig", {}).get("PayloadConfig", {}).get("SamplePayloadUrl")
        return found | ({"SamplePayloadUrl": payload} if payload else {})

    @operation("ListInferenceRecommendationsJobSteps")
    def steps(self, call: Call) -> Params:
        status = call.params.get("Status")
        found = [each for each in self.get(call).get(STEPS, []) if status in (None, each["Status"])]
        return listing.page(call, STEPS, found)

    def unknown(self, name: str) -> ServiceError:
        return ResourceNotFound(f"Could not find inference recommendations job with name: {name}")

    def status_of(self, step: Step) -> str:
        return step.status.upper()

    def report(self, arn: str, step: Step) -> Document | None:
        found = super().report(arn, step)
        if self.status_of(step) not in self.kind.running:
            self._sites.pop(arn, None)
        return found

    def _note(self, arn: str, made: Made) -> None:
        """Keep what a job has made and not removed yet."""

        def edit(job: Document) -> None:
            job[MADE] = [list(each) for each in made]

        try:
            self.store.change(arn, edit)
        except Missing:
            return

    def _on_change(self, change: Change) -> None:
        for site in list(self._sites.values()):
            if site.awaited == change.arn:
                site.changed.set()

    def _tidy(self, arn: str, job: Document) -> None:
        """Remove what a job left that ended with the local cloud, once that is possible."""

        def act() -> None:
            self.makers.remove(job[MADE], ":".join(arn.split(":")[3:5]))
            self._note(arn, [])

        threading.Thread(target=act, daemon=True, name=f"tidy {arn}").start()
