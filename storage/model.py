"""The Peewee models: what the store's statements are made from."""

from peewee import BigIntegerField, BlobField, CompositeKey, Model, TextField


class FlowSumRow(Model):
    """A key's totals. ``records`` is how many flow records were merged into them."""

    hour = BigIntegerField()
    src_app = TextField()
    dest_app = TextField()
    vpc_id = TextField()
    records = BigIntegerField()
    bytes_rx = BigIntegerField()
    bytes_tx = BigIntegerField()

    class Meta:
        """Hour first: a question is about an hour, and an hour's keys then lie together."""

        table_name = "flow_sum"
        primary_key = CompositeKey("hour", "src_app", "dest_app", "vpc_id")


SUM_COLUMNS = ", ".join(field.name for field in FlowSumRow._meta.sorted_fields)
"""The columns of a FlowSum, in its order."""


class HourCount(Model):
    """How many sums an hour has, kept so that no question has to count them: in one row, or in several that add up."""

    hour = BigIntegerField(primary_key=True)
    flows = BigIntegerField()

    class Meta:
        """On SQLite a trigger keeps it; on PostgreSQL the upsert does, in one of several rows an hour."""

        table_name = "hour_count"


class DeliveryRow(Model):
    """A batch's key in its sender's scope, a hash of what was sent, and the answer, stored at so many epoch seconds."""

    scope = TextField()
    key = TextField()
    fingerprint = BlobField()
    answer = BlobField()
    stored_at = BigIntegerField()

    class Meta:
        """Kept for IDEMPOTENCY_HOURS."""

        table_name = "delivery"
        primary_key = CompositeKey("scope", "key")
