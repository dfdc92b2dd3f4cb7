-- The checks of the partitions, which the revision gives to the whole tables: one that is there, and was
-- looked at, is taken as it is. To add one takes a moment; to look at the rows stops nobody.
select case when c.conname is null
            then format('alter table %s add constraint %I '
                        'check (changed_by is not null or runner_id is not null) not valid',
                        h.inhrelid::regclass, n.name)
            else format('alter table %s validate constraint %I', h.inhrelid::regclass, n.name) end
from (values ('{schema}.invocation_history'::regclass, 'invocation_history_author'),
             ('{schema}.invocation_outcome'::regclass, 'invocation_outcome_author')) n (parent, name)
join pg_inherits h on h.inhparent = n.parent
left join pg_constraint c on c.conrelid = h.inhrelid and c.conname = n.name
where c.convalidated is not true;
