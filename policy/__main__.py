"""The pack as the engine runs it; importing the rules elsewhere starts nothing."""

from pulumi_policy import EnforcementLevel, PolicyPack

from hipaa_pack import decode_once
from hipaa_pack.pack import policies

decode_once.install()
PolicyPack("healthcare-imaging-hipaa", policies=policies(), enforcement_level=EnforcementLevel.MANDATORY)
