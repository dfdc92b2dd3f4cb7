-- The triggers of an app that have causes to be looked at, now or later: a look into the index for each
-- of them, however many causes it has. Internal to take_causes and next_cause.
create or replace function {schema}.triggers_with_causes(p_app text) returns text[]
language plpgsql stable as $$
declare
    v_found text[] := '{}';
    v_next  text := '';
begin
    loop
        select c.trigger_id into v_next from trigger_cause c
        where c.app_id = p_app and c.state = 'new' and c.trigger_id > v_next
        order by c.trigger_id limit 1;
        if not found then
            return v_found;
        end if;
        v_found := v_found || v_next;
    end loop;
end $$;
