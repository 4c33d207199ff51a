// Firefox by WebDriver BiDi, which it speaks itself: Debian has no geckodriver, and playwright-core
// drives only builds of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import WebSocket from 'ws';
import { SOON, afterwards, folder } from './harness.js';

export class Firefox {
  static async start(t) {
    const firefox = new Firefox();
    const args = ['--headless', '--no-remote', '--remote-debugging-port', '0', '--profile', folder(t), 'about:blank'];
    const child = spawn('firefox-esr', args, { env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' } });
    afterwards(t, async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    });
    firefox.socket = new WebSocket(`${await address(child)}/session`);
    firefox.calls = new Map();
    firefox.count = 0;
    firefox.socket.on('message', (data) => {
      const answer = JSON.parse(data);
      firefox.calls.get(answer.id)?.(answer);
      firefox.calls.delete(answer.id);
    });
    await once(firefox.socket, 'open');
    await firefox.call('session.new', { capabilities: {} });
    const tree = await firefox.call('browsingContext.getTree', {});
    firefox.context = tree.contexts[0].context;
    return firefox;
  }

  async call(method, params) {
    const id = (this.count += 1);
    const answered = new Promise((resolve) => this.calls.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    const answer = await answered;
    if (answer.type === 'error') throw new Error(`${method}: ${answer.error}: ${answer.message}`);
    return answer.result;
  }

  goto(url) {
    return this.call('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  /** The value of an expression in the page, by way of JSON. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call('script.evaluate', {
      expression: `JSON.stringify(${expression})`,
      target: { context: this.context },
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.type === 'string' ? JSON.parse(result.value) : undefined;
  }

  /** Keys into whatever has the focus. `\uE007` is Enter. */
  type(text) {
    const actions = [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    return this.call('input.performActions', {
      context: this.context,
      actions: [{ type: 'key', id: 'keyboard', actions }],
    });
  }
}

function address(child) {
  return new Promise((resolve, reject) => {
    let said = '';
    const failed = () => reject(new Error(`Firefox says no address: ${said}`));
    setTimeout(failed, 3 * SOON).unref();
    child.on('close', failed);
    child.stderr.setEncoding('utf8').on('data', (data) => {
      said += data;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
  });
}
