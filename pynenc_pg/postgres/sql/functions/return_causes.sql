-- Has others look at the causes that runners looked at which are no more. Internal to recover and
-- unregister_runner. Locks: the causes by id, after all else.
create or replace function {schema}.return_causes(p_app text, p_runners text[]) returns void
language plpgsql as $$
declare
    v_ids bigint[];
begin
    v_ids := array(
        select c.cause_id from (
            select * from trigger_cause c where c.taken_by = any (p_runners)
            order by c.cause_id offset 0 for no key update) c
        where c.app_id = p_app and c.state = 'new');
    if v_ids <> '{}' then
        update trigger_cause c set due_at = clock_timestamp(), taken_by = null where c.cause_id = any (v_ids);
        perform notify(p_app, 'cause');
    end if;
end $$;
