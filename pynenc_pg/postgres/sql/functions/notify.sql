-- One hint on the channel of the schema. Internal. Hints only make things faster.
create or replace function {schema}.notify(p_app text, p_kind text, p_more json default null)
returns void language sql
begin atomic
    select pg_notify('{schema_name}',
                     json_build_object('app', p_app, 'kind', p_kind, 'more', p_more)::text);
end;
