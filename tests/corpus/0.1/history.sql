BEGIN TRANSACTION;
CREATE TABLE pictures (
    id TEXT PRIMARY KEY, path TEXT NOT NULL, created REAL NOT NULL, day TEXT NOT NULL, task TEXT NOT NULL,
    model TEXT NOT NULL, prompt TEXT NOT NULL, negative TEXT NOT NULL, seed INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, media TEXT NOT NULL, job TEXT NOT NULL, favourite INTEGER NOT NULL, request TEXT,
    words TEXT NOT NULL);
INSERT INTO "pictures" VALUES('bfc25326de5fa471','@HOME@/outputs/2026-11-24/105418-a-red-apple-3.png',1.7955176982686793804e+09,'2026-11-24','text-to-image','starter','a red apple','blurry',3,64,64,'image/png','529aa4429881',0,'{"task":"text-to-image","model":"starter","prompt":"a red apple","negative_prompt":"blurry","width":64,"height":64,"steps":4,"guidance":3.5,"sampler":"DPM++ 2M","scheduler":"Simple","seed":3,"count":1,"strength":0.75,"clip_skip":1,"emphasis":"Original","init_image":null,"mask":null,"frames":1,"fps":16,"motion":127,"last_image":null,"init_video":null,"video_format":"webm"}','a red apple
blurry
starter
3');
INSERT INTO "pictures" VALUES('ba28332dc20769d7','@HOME@/outputs/2026-11-24/105458-a-fox-in-snow-quietly-second-line-7.png',1.79551770573305487632e+09,'2026-11-24','text-to-image','starter','a "fox", in snow: quietly
second line','blurry',7,64,64,'image/png','cef17c5cb9fb',1,'{"task":"text-to-image","model":"starter","prompt":"a \"fox\", in snow: quietly\nsecond line","negative_prompt":"blurry","width":64,"height":64,"steps":4,"guidance":3.5,"sampler":"DPM++ 2M","scheduler":"Simple","seed":7,"count":1,"strength":0.75,"clip_skip":1,"emphasis":"Original","init_image":null,"mask":null,"frames":1,"fps":16,"motion":127,"last_image":null,"init_video":null,"video_format":"webm"}','a "fox", in snow: quietly
second line
blurry
starter
7');
CREATE INDEX pictures_by_time ON pictures(created);
COMMIT;
PRAGMA user_version = 1;
