"""Tag rules, flavors, labels and annotations, in the language of docker/metadata-action. Pure.

    texts of the inputs -> rules, flavor, images (checked)  +  facts of the pipeline  ->  tags, labels, and why

The language is that of docker/metadata-action's README; where this is stricter, docs/how-to/tags.md says so.
"""

from incubator.ci.tags.compute import compute
from incubator.ci.tags.facts import PipelineFacts, Repository
from incubator.ci.tags.language import TagLanguage, read_language
from incubator.ci.tags.outcome import LatestDecision, Metadata, Outcome

__all__ = [
    "LatestDecision",
    "Metadata",
    "Outcome",
    "PipelineFacts",
    "Repository",
    "TagLanguage",
    "compute",
    "read_language",
]
