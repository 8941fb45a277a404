"""Security groups and their rules."""

from __future__ import annotations

from ..clients import Aws
from ..kind import Values, is_gone
from ..objects import tag_map
from ..shapes import NoParameterError
from .ec2 import Ec2

RULE_INPUTS = {"fromPort", "toPort", "protocol", "cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "securityGroups"}
SOURCES = (
    ("cidrBlocks", "IpRanges", "CidrIp"),
    ("ipv6CidrBlocks", "Ipv6Ranges", "CidrIpv6"),
    ("prefixListIds", "PrefixListIds", "PrefixListId"),
    ("securityGroups", "UserIdGroupPairs", "GroupId"),
)


def permission(rule: Values, group: str = "") -> Values:
    """An inline rule as an IpPermission; `self` stands for the group itself."""
    result: Values = {"IpProtocol": str(rule["protocol"]).lower().replace("all", "-1")}
    if result["IpProtocol"] != "-1":
        result |= {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    text = {"Description": rule["description"]} if rule.get("description") else {}
    for own, api, part in SOURCES:
        items = list(rule.get(own) or []) + ([group] if own == "securityGroups" and rule.get("self") else [])
        if items:
            result[api] = [{part: item, **text} for item in items]
    return result


def flat(permissions: list[Values]) -> set[tuple[object, ...]]:
    """Permissions as a set of (protocol, from, to, kind, source), the form in which two sets can be compared."""
    found: set[tuple[object, ...]] = set()
    for item in permissions:
        ports = (item.get("IpProtocol"), item.get("FromPort"), item.get("ToPort"))
        if item.get("IpProtocol") == "-1":
            ports = ("-1", None, None)
        for _, api, part in SOURCES:
            found |= {(*ports, api, source.get(part), source.get("Description")) for source in item.get(api) or []}
    return found


class SecurityGroup(Ec2):
    """Inline rules are managed when the program gives them; AWS's default egress rule is taken away, as really."""

    pulumi_type = "aws:ec2/securityGroup:SecurityGroup"
    thing, tag_type, name, name_limit = "SecurityGroup", "security-group", "name", 255
    create_op, read_op, delete_op = "create_security_group", "describe_security_groups", "delete_security_group"
    key, id_at, body_at = "GroupId", "GroupId", "SecurityGroups[0]"
    replaces, more_local = "description vpcId", "ingress egress revokeRulesOnDelete"
    defaults = {"description": "Managed by Pulumi"}
    rename = {"name": "GroupName", "description": "Description"}
    outputs = {
        "arn": "arn:aws:ec2:{aws.region}:{aws.account}:security-group/{id}",
        "ownerId": "OwnerId",
        "vpcId": "VpcId",
        "name": "GroupName",
        "description": "Description",
    }
    sides = (
        ("ingress", "IpPermissions", "authorize_security_group_ingress", "revoke_security_group_ingress"),
        ("egress", "IpPermissionsEgress", "authorize_security_group_egress", "revoke_security_group_egress"),
    )

    def dry_fit(self, aws: Aws, new: Values) -> None:
        super().dry_fit(aws, new)
        for side, *_ in self.sides:
            for rule in new.get(side) or []:
                if isinstance(rule, dict) and (odd := rule.keys() - RULE_INPUTS - {"description", "self"}):
                    raise NoParameterError(f"{side}.{min(odd)}", "IpPermission")

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        self.put_rules(aws, id, {"ingress": [], "egress": [], **new})

    def put_rules(self, aws: Aws, id: str, wanted: Values) -> None:
        """Makes the live rules of each side that `wanted` names exactly those of `wanted`."""
        body = self.call(aws, self.read_op, GroupIds=[id])["SecurityGroups"][0]
        for side, api, authorize, revoke in self.sides:
            if wanted.get(side) is None:
                continue
            rules = [permission(rule, id) for rule in wanted[side]]
            live = body.get(api) or []
            if flat(rules) == flat(live):
                continue
            if live:  # by id: permissions read back carry the account and would match nothing
                self.call(aws, revoke, GroupId=id, SecurityGroupRuleIds=self.rule_ids(aws, id, side == "egress"))
            if rules:
                self.call(aws, authorize, GroupId=id, IpPermissions=rules)

    def rule_ids(self, aws: Aws, id: str, egress: bool) -> list[str]:
        """Ids of the live rules of one side."""
        filters = [{"Name": "group-id", "Values": [id]}]
        rules = self.call(aws, "describe_security_group_rules", Filters=filters)["SecurityGroupRules"]
        return [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] == egress]

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        for side, api, *_ in self.sides:
            if known.get(side) is not None:
                live, wanted = body.get(api) or [], [permission(rule, id) for rule in known[side]]
                found[side] = known[side] if flat(live) == flat(wanted) else [inline(item) for item in live]

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        super().update(aws, id, old, new)
        if self.changed(old, new, "ingress", "egress"):
            self.put_rules(aws, id, new)


def inline(item: Values) -> Values:
    """An IpPermission as an inline rule."""
    lists = {own: [s[part] for s in item[api]] for own, api, part in SOURCES if item.get(api)}
    return {
        "protocol": item.get("IpProtocol"),
        "fromPort": item.get("FromPort", 0),
        "toPort": item.get("ToPort", 0),
        **lists,
    }


class DefaultSecurityGroup(SecurityGroup):
    """Adopts the VPC's default group and leaves it with exactly the given rules; deleting only forgets it."""

    pulumi_type = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    name, defaults, replaces = "", {}, "vpcId"

    def dry_fit(self, aws: Aws, new: Values) -> None:
        for side, *_ in self.sides:
            for rule in new.get(side) or []:
                if isinstance(rule, dict) and (odd := rule.keys() - RULE_INPUTS - {"description", "self"}):
                    raise NoParameterError(f"{side}.{min(odd)}", "IpPermission")

    def create(self, aws: Aws, new: Values) -> str:
        filters = [{"Name": "vpc-id", "Values": [new["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
        id = self.call(aws, self.read_op, Filters=filters)["SecurityGroups"][0]["GroupId"]
        self.after_create(aws, id, new)
        self.update_tags(aws, id, {}, new)
        return id

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        super().refine(aws, id, body, found, {"ingress": [], "egress": [], **known})

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        if self.changed(old, new, "tagsAll"):
            self.update_tags(aws, id, old, new)
        self.after_create(aws, id, new)

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        """The default group goes with its VPC."""


class Rule(Ec2):
    """One rule of a group; every change but tags makes a new rule."""

    tag_type = "security-group-rule"
    key, id_at, body_at = "SecurityGroupRuleId", "SecurityGroupRules[0].SecurityGroupRuleId", "SecurityGroupRules[0]"
    replaces = "securityGroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId referencedSecurityGroupId"
    read_op, delete_first = "describe_security_group_rules", True
    outputs = {
        "arn": "arn:aws:ec2:{aws.region}:{aws.account}:security-group-rule/{id}",
        "securityGroupRuleId": "SecurityGroupRuleId",
    }
    sources = (
        ("cidrIpv4", "IpRanges", "CidrIp"),
        ("cidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("prefixListId", "PrefixListIds", "PrefixListId"),
        ("referencedSecurityGroupId", "UserIdGroupPairs", "GroupId"),
    )

    @property
    def replace_keys(self) -> set[str]:
        return super().replace_keys | {"description"}

    def dry_fit(self, aws: Aws, new: Values) -> None:
        for own in self.sent(new).keys() - {*self.replaces.split(), "description"}:
            raise NoParameterError(own, self.create_op)

    def create_args(self, aws: Aws, new: Values) -> Values:
        protocol = str(new["ipProtocol"]).lower()
        rule: Values = {"IpProtocol": "-1" if protocol == "all" else protocol}
        for own, api in (("fromPort", "FromPort"), ("toPort", "ToPort")):
            if new.get(own) is not None:
                rule[api] = int(new[own])
        text = {"Description": new["description"]} if new.get("description") else {}
        own, api, part = next(s for s in self.sources if new.get(s[0]))
        rule[api] = [{part: new[own], **text}]
        return {"GroupId": new["securityGroupId"], "IpPermissions": [rule], **self.specification(new)}

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:
        try:
            rules = self.call(aws, self.read_op, SecurityGroupRuleIds=[id])["SecurityGroupRules"]
        except Exception as error:
            if is_gone(error):
                return None
            raise
        if not rules:
            return None
        live = rules[0]
        live["ReferencedSecurityGroupId"] = (live.get("ReferencedGroupInfo") or {}).get("GroupId")
        names = {"securityGroupId": "GroupId"}
        if known.get("prefixListId") and not live.get("PrefixListId"):  # the embedded AWS does not list it
            live["PrefixListId"] = known["prefixListId"]
        keys = [k for k in (*self.replaces.split(), "description") if k in known]
        found = {k: live.get(names.get(k, k[0].upper() + k[1:])) for k in keys}
        for output, place in self.outputs.items():
            found[output] = self.output(aws, id, place, live, known)
        self.put_tags(found, tag_map(live.get("Tags") or []), known)
        return found

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, self.delete_op, GroupId=old["securityGroupId"], SecurityGroupRuleIds=[id])


class SecurityGroupIngressRule(Rule):
    pulumi_type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    create_op, delete_op = "authorize_security_group_ingress", "revoke_security_group_ingress"


class SecurityGroupEgressRule(Rule):
    pulumi_type = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    create_op, delete_op = "authorize_security_group_egress", "revoke_security_group_egress"
