-- What people have done by hand: who, what, on which, from where, with what outcome.
create or replace view {schema}.audits as
select a.app_id, a.audit_id, a.at, a.who, a.db_user, a.action, a.subject, a.detail, a.origin, a.outcome
from {schema}.audit a;
