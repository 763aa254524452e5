"""posts

Revision ID: 77be
Revises: 5a1c
"""

import sqlalchemy as sa
from alembic import op

revision = "77be"
down_revision = "5a1c"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "post",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("body", sa.String(length=140), nullable=False),
        sa.Column("timestamp", sa.DateTime(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("post", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_post_timestamp"), ["timestamp"])
        batch_op.create_index(batch_op.f("ix_post_user_id"), ["user_id"])


def downgrade():
    op.drop_table("post")
