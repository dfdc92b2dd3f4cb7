-- Whether a runner of the app sleeps, or did within the last second. Internal.
create or replace function {schema}.somebody_idle(p_app text, p_now timestamptz) returns boolean
language sql stable
begin atomic
    select exists (select from {schema}.runner r where r.app_id = p_app
                   and (r.idle or r.idle_at > p_now - interval '1 second'));
end;
