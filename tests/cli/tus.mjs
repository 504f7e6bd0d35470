// Uploads a file with tus-js-client in stretches, with a break in the middle; begins another and
// gives it up. Prints the address of the first.
import { createReadStream, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { argv, env } from 'node:process';

const tus = createRequire(`${env.CARILLON_TUS}/`)('tus-js-client');
const [endpoint, authorization, path] = argv.slice(2);

function upload(file, breakAt) {
    return new Promise((resolve, reject) => {
        let broken = false;
        const it = new tus.Upload(file, {
            endpoint,
            headers: { authorization },
            chunkSize: 256 * 1024,
            uploadSize: statSync(path).size,
            retryDelays: null,
            metadata: { filename: 'film.mp4', filetype: 'video/mp4', alt: 'A pattern, moving' },
            onError: reject,
            onSuccess: () => resolve(it),
            onChunkComplete: (_, sent) => {
                if (!broken && sent >= breakAt) {
                    broken = true;
                    it.abort().then(() => resolve(it));
                }
            },
        });
        it.start();
    });
}

const first = await upload(createReadStream(path), 512 * 1024);
const rest = await new Promise((resolve, reject) => {
    const it = new tus.Upload(createReadStream(path), {
        uploadUrl: first.url,
        headers: { authorization },
        chunkSize: 1024 * 1024,
        uploadSize: statSync(path).size,
        retryDelays: null,
        onError: reject,
        onSuccess: () => resolve(it),
    });
    it.start();
});
const second = await upload(createReadStream(path), 256 * 1024);
await tus.Upload.terminate(second.url, { headers: { authorization }, retryDelays: null });
console.log(rest.url);
